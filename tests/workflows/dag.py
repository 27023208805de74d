"""What Argo Workflows v4.1.2 does with a DAG of `depends` and `when`, so far as our DAGs use it.

A task runs when its `depends` holds (else it is Omitted) and its `when` is true (else it is
Skipped). Outputs exist only for tasks that succeeded. A failed task would also keep the rest
from starting (`failFast`); that is left out here, since conditions alone must be enough.
Source: workflow/controller/dag.go (evaluateDependsLogic, resolveDependencyReferences) and
steps.go (shouldExecute) at v4.1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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


def is_true(when: str, outputs: dict[str, Outputs]) -> bool:
    """Evaluate a `when`: comparisons of quoted texts joined by &&, after textual substitution, as Argo does."""
    if not when:
        return True

    def value(match: re.Match[str]) -> str:
        try:
            return outputs[match[1]][match[2]]
        except KeyError:
            raise Unresolved(match[0]) from None

    text = re.sub(r"\{\{tasks\.([\w-]+)\.outputs\.parameters\.([\w-]+)\}\}", value, when)
    result = True
    for part in re.split(r"\s*&&\s*", text):
        match = re.fullmatch(r"'([^']*)' (==|!=) '([^']*)'", part)
        assert match, f"not a comparison of two texts: {part}"
        result &= (match[1] == match[3]) == (match[2] == "==")
    return result


def run(template: Document, end: Callable[[str, Document], Ends]) -> dict[str, str]:
    """Walk a DAG to its end: task -> state. `end` says how a task that starts ends, and with which outputs."""
    all_tasks, states, outputs = tasks(template), {}, {}
    while len(states) < len(all_tasks):
        ready = [name for name, task in all_tasks.items() if name not in states and needed_by(task) <= states.keys()]
        assert ready, "the DAG has a cycle"
        for name in ready:
            task = all_tasks[name]
            if not holds(task.get("depends", ""), states):
                states[name] = "Omitted"
            elif not is_true(task.get("when", ""), outputs):
                states[name] = "Skipped"
            else:
                states[name], outputs[name] = end(name, task)
    return states
