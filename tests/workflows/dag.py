"""What Argo Workflows v4.1.2 does with a DAG of `depends` and `when`, so far as our DAGs use it.

A task runs when its `depends` holds (else it is Omitted) and its `when` is true (else it is
Skipped). Outputs exist only for tasks that succeeded. A failed task would also keep the rest
from starting (`failFast`); that is left out here, since conditions alone must be enough.
Source: workflow/controller/dag.go (evaluateDependsLogic, resolveDependencyReferences) and
steps.go (shouldExecute) at v4.1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from .rendered import Document, needed_by, tasks

Outputs = dict[str, str]
Ends = tuple[str, Outputs]
STATES = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted")


class Unresolved(Exception):
    """A `when` reads an output that does not exist: Argo would wait for it forever or end in an error."""


def holds(depends: str, states: dict[str, str]) -> bool:
    """Evaluate a `depends` expression."""
    if not depends:
        return True
    words = re.findall(r"[\w-]+\.\w+|&&|\|\||!|\(|\)", depends)
    assert "".join(words) == depends.replace(" ", ""), f"not understood: {depends}"
    python = {"&&": "and", "||": "or", "!": "not", "(": "(", ")": ")"}
    text = " ".join(python[word] if word in python else str(_is(word, states)) for word in words)
    return bool(eval(text, {"__builtins__": {}}))  # noqa: S307 - only True, False, and, or, not and parentheses are left


def _is(word: str, states: dict[str, str]) -> bool:
    task, _, state = word.rpartition(".")
    assert state in STATES, f"{state} is no state"
    return states[task] == state


def is_true(when: str, outputs: dict[str, Outputs], inputs: Mapping[str, str] = MappingProxyType({})) -> bool:
    """Evaluate a `when`: comparisons of quoted texts joined by &&, after textual substitution, as Argo does."""
    if not when:
        return True

    def value(match: re.Match[str]) -> str:
        try:
            return outputs[match[1]][match[2]]
        except KeyError:
            raise Unresolved(match[0]) from None

    text = re.sub(r"\{\{inputs\.parameters\.([\w-]+)\}\}", lambda match: inputs[match[1]], when)
    text = re.sub(r"\{\{tasks\.([\w-]+)\.outputs\.parameters\.([\w-]+)\}\}", value, text)
    result = True
    for part in re.split(r"\s*&&\s*", text):
        match = re.fullmatch(r"'([^']*)' (==|!=) '([^']*)'", part)
        assert match, f"not a comparison of two texts: {part}"
        result &= (match[1] == match[3]) == (match[2] == "==")
    return result


def chosen(expression: str, outputs: dict[str, Outputs], inputs: Mapping[str, str]) -> str:
    """Evaluate a `valueFrom.expression` of the one form that we use; only the branch that is taken is looked at."""
    branch = r"tasks\.([a-z]+)\.outputs\.parameters\.([a-z]+)"
    match = re.fullmatch(rf"inputs\.parameters\.([a-z]+) == '([\w-]+)' \? {branch} : {branch}", expression)
    assert match, f"not understood: {expression}"
    task, name = match.group(3, 4) if inputs[match[1]] == match[2] else match.group(5, 6)
    try:
        return outputs[task][name]
    except KeyError:
        raise Unresolved(expression) from None


def phase(template: Document, states: dict[str, str]) -> str:
    """How a DAG ends: by the tasks that nothing waits for; one that never ran takes over what it waited for.

    Source: workflow/controller/dag.go (assessDAGPhase) at v4.1.2.
    """
    all_tasks = tasks(template)
    leaves = all_tasks.keys() - {need for task in all_tasks.values() for need in needed_by(task)}

    def branch(name: str) -> set[str]:
        if states[name] in ("Skipped", "Omitted"):
            return {state for need in needed_by(all_tasks[name]) for state in branch(need)}
        return {states[name]}

    ends = {state for leaf in leaves for state in branch(leaf)}
    return "Failed" if ends & {"Failed", "Errored"} else "Succeeded"


def run(template: Document, end: Callable[[str, Document], Ends], inputs: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Walk a DAG to its end: task -> state. `end` says how a task that starts ends, and with which outputs."""
    all_tasks, states, outputs = tasks(template), {}, {}
    while len(states) < len(all_tasks):
        ready = [name for name, task in all_tasks.items() if name not in states and needed_by(task) <= states.keys()]
        assert ready, "the DAG has a cycle"
        for name in ready:
            task = all_tasks[name]
            if not holds(task.get("depends", ""), states):
                states[name] = "Omitted"
            elif not is_true(task.get("when", ""), outputs, inputs):
                states[name] = "Skipped"
            else:
                states[name], outputs[name] = end(name, task)
    return states
