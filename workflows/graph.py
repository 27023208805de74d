"""Nodes of `steps.contract.nodes` as tasks and templates of Argo Workflows.

Every task carries the conditions of everything before it, not only its own: a model that failed the gate, or that
nobody approved, cannot be released even if an edge were lost. What a person types never stands in a condition.
Conditions read the phase and the decision that a step wrote, and a step writes one of a few words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hera.workflows import DAG, Parameter, Task
from hera.workflows import models as m

from steps.contract.catalog import find_step
from steps.contract.nodes import Approval, Case, Choice, Condition, FanOut, Node, Shown, Step, Wait
from workflows.environment import Environment
from workflows.rayjob_wait import GPUS, SUBMIT, WAIT, rayjob_templates
from workflows.templates import ANSWERS, approval_template, input_param, kebab, step_template, task_output


@dataclass
class Templates:
    """The templates of one workflow, each once.

    Attributes:
        env: the environment.
        workflow: name of the workflow.
        counted: whether steps show their metrics of cost.
    """

    env: Environment
    workflow: str
    counted: bool = True
    found: dict[str, Any] = field(default_factory=dict)

    def step(self, name: str, inputs: tuple[str, ...]) -> str:
        """The template of a step; returns its name.

        Raises:
            ValueError: the step stands in the workflow with other inputs already.
        """
        if name not in self.found:
            self.found[name] = step_template(self.env, name, inputs, workflow=self.workflow, counted=self.counted)
        elif {str(item.name) for item in self.found[name].inputs} != {kebab(item) for item in inputs}:
            raise ValueError(f"{self.workflow}: step {name} is given other parameters at two places")
        return name

    def add(self, *templates: Any) -> None:
        """Keep templates that are no step's."""
        self.found.update({str(template.name): template for template in templates})


@dataclass
class Graph:
    """Tasks of one DAG.

    Attributes:
        nodes: what stands in it, in an order in which it may run.
        templates: where templates go.
        origins: the value of a source that no node of the DAG gives, by the source's first word: a function of the rest.
        stands_for: source of an absent node -> the source that stands in for it.
    """

    nodes: tuple[Node, ...]
    templates: Templates
    origins: Mapping[str, Callable[[str], str]]
    stands_for: Mapping[str, str] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    _guards: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def build(self) -> list[Task]:
        """The tasks of all nodes."""
        for node in self.nodes:
            self._add(node)
        return self.tasks

    def value(self, source: str) -> str:
        """Where Argo finds the value of a source."""
        source = self.stands_for.get(source, source)
        if source.startswith("="):
            return source[1:]
        origin, _, name = source.partition(".")
        if origin in self.origins:
            return self.origins[origin](name)
        node = self._node(origin)
        return task_output(node.record_name if isinstance(node, Approval) else node.name, name)

    def _node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def _needs(self, node: Node) -> tuple[Node, ...]:
        """The nodes that a node waits for; what stands in for an absent one, if anything does."""
        present = {item.name: item for item in self.nodes}
        names: list[str] = []
        for need in node.needs:
            stands_in = [new.partition(".")[0] for old, new in self.stands_for.items() if old.startswith(f"{need}.")]
            names += [need] if need in present else stands_in
        return tuple(present[name] for name in dict.fromkeys(names))

    def _after(self, need: Node) -> str:
        """The part of `depends` that a need stands for."""
        match need:
            case Approval():
                return f"{need.record_name}.Succeeded"
            case Choice() if need.passes:
                return self._after(self._node(need.on.partition(".")[0]))
            case Wait():
                return f"{WAIT_TASK}.Succeeded || {SUBMIT_TASK}.Skipped"
            case _:
                return f"{need.name}.Succeeded"

    def _condition(self, condition: Condition) -> str:
        sign, text = ("==", condition.equals) if condition.equals is not None else ("!=", condition.differs)
        return f"'{self.value(condition.source)}' {sign} '{text}'"

    def _add(self, node: Node) -> None:
        needs = self._needs(node)
        own = (self._condition(condition) for condition in node.when)
        guards = tuple(dict.fromkeys((*(guard for need in needs for guard in self._guards[need.name]), *own)))
        self._guards[node.name] = guards
        depends = " && ".join(dict.fromkeys(self._after(need) for need in needs))
        match node:
            case Step():
                self._step(node, depends, guards)
            case FanOut():
                self.templates.add(fan_out_template(node, self.templates))
                self._task(node.name, node.name, depends, guards, node.inputs)
            case Approval():
                self._approval(node, depends, guards)
            case Choice():
                self._choice(node, depends, guards)
            case Wait():
                self._wait(node, depends, guards)

    def _step(self, node: Step, depends: str, guards: tuple[str, ...]) -> None:
        self._task(node.name, self.templates.step(node.step, tuple(node.inputs)), depends, guards, node.inputs)

    def _approval(self, node: Approval, depends: str, guards: tuple[str, ...]) -> None:
        """Suspend, then record the answer; only what was recorded counts."""
        self.templates.add(approval_template(node.name, {kebab(item.name): item.description for item in node.shows}))
        self._task(node.name, node.name, depends, guards, {item.name: item.source for item in node.shows})
        answers = {parameter: f"={task_output(node.name, answer)}" for answer, parameter, *_ in ANSWERS}
        bound = {"digest": node.binds, "shown": f"={self._as_json(node.shows)}", "model": node.model or "="}
        inputs = {"stage": f"={node.name}", **answers, **bound}
        self._task(node.record_name, self.templates.step(node.record, tuple(inputs)), f"{node.name}.Succeeded", guards, inputs)
        approved = f"'{task_output(node.record_name, 'decision')}'"
        self._guards[node.name] = (*guards, f"{approved} == 'approved'")
        self._step(node.rejected, f"{node.record_name}.Succeeded", (f"{approved} != 'approved'",))

    def _choice(self, node: Choice, depends: str, guards: tuple[str, ...]) -> None:
        if node.passes and node.otherwise:
            passed = f"'{self.value(node.on)}'"
            self._guards[node.name] = (*guards, f"{passed} == '{node.passes}'")
            self._step(node.otherwise, depends, (f"{passed} != '{node.passes}'",))
            return
        offered = {value: case for value, case in node.cases.items() if self.templates.env.offers(case.requires)}
        if len(offered) > 1:
            inputs = {**node.inputs, node.on.partition(".")[2]: node.on}
            self.templates.add(*choice_templates(node, offered, self.templates))
            self._task(node.name, f"{node.name}-either", depends, guards, inputs)
            return
        ((only,),) = (case.nodes for case in offered.values())
        if not isinstance(only, Step):
            raise ValueError(f"{node.name}: a choice with one case must be one step")
        sources = {name: node.inputs[source.removeprefix("in.")] for name, source in only.inputs.items()}
        self._task(node.name, self.templates.step(only.step, tuple(sources)), depends, guards, sources)

    def _wait(self, node: Wait, depends: str, guards: tuple[str, ...]) -> None:
        """Submit once, then wait. That the object exists already is fine: an earlier pod was lost after it had created it."""
        self.templates.add(*rayjob_templates(self.templates.env, node.account, tuple(node.inputs)))
        self._task(SUBMIT_TASK, SUBMIT, depends, guards, node.inputs)
        ended = " || ".join(f"{SUBMIT_TASK}.{state}" for state in ("Succeeded", "Failed", "Errored"))
        self._task(WAIT_TASK, WAIT, ended, (), {GPUS: node.gpus})
        # What is skipped leaves its result behind from an earlier run: what needs it goes on.
        self._guards[node.name] = ()

    def _task(self, name: str, template: str, depends: str, guards: tuple[str, ...], sources: Mapping[str, str]) -> None:
        self.tasks.append(
            Task(
                name=name,
                template=template,
                depends=depends or None,
                when=" && ".join(guards) or None,
                arguments={kebab(key): self.value(source) for key, source in sources.items()},
            )
        )

    def _as_json(self, shows: tuple[Shown, ...]) -> str:
        """What was shown, as the JSON that the record keeps; a quotation mark in free text would break it."""
        entries = []
        for item in shows:
            if item.form != "free":
                mark = "" if item.form == "json" else '"'
                entries.append(f'"{item.name}": {mark}{self.value(item.source)}{mark}')
        return "{" + ", ".join(entries) + "}"


SUBMIT_TASK, WAIT_TASK = "submit", "wait"


def fan_out_template(node: FanOut, templates: Templates) -> DAG:
    """A fan-out as a DAG of its own: a shard that fails is tried again alone, since the retry rule is the shard template's.

    `parallelism` of the DAG bounds how many work at once.
    """
    graph = Graph(node.steps, templates, {"in": input_param, "item": lambda name: f"{{{{item.{name}}}}}" if name else "{{item}}"})
    planned = f"{node.plan.name}.Succeeded" if node.plan else None
    committed = f"{node.shard.name}.Succeeded" + (f" || {node.shard.name}.Skipped" if node.may_be_empty else "")
    depends = {node.shard.name: planned, node.commit.name: committed}
    tasks = [
        Task(
            name=step.name,
            template=templates.step(step.step, tuple(step.inputs)),
            depends=depends.get(step.name),
            with_param=graph.value(node.items) if step is node.shard else None,
            arguments={kebab(name): graph.value(source) for name, source in step.inputs.items()},
        )
        for step in node.steps
    ]
    bound: int = getattr(templates.env.workflows.parallelism, node.parallelism)
    outputs = _outputs_of(node.commit.step, node.commit.name)
    return DAG(name=node.name, inputs=_inputs(node.inputs), outputs=outputs, tasks=[*tasks], parallelism=bound)


def choice_templates(node: Choice, offered: Mapping[str, Case], templates: Templates) -> list[DAG]:
    """A choice between ways as a DAG of its own, and one more for each way of several nodes."""
    variable = node.on.partition(".")[2]
    arguments = {kebab(name): input_param(name) for name in node.inputs}
    tasks, dags = [], []
    for value, case in offered.items():
        template = f"{node.name}-{value}"
        if len(case.nodes) > 1:
            dags.append(_case_template(template, node, case, templates))
        else:
            (only,) = case.nodes
            if not isinstance(only, Step):
                raise ValueError(f"{template}: a case of one node must be a step")
            template = templates.step(only.step, tuple(only.inputs))
        tasks.append(Task(name=case.name, template=template, when=f"'{input_param(variable)}' == '{value}'", arguments=arguments))
    names = find_step(_last(next(iter(offered.values()))).step).all_outputs
    outputs = [Parameter(name=kebab(name), value_from=m.ValueFrom(expression=_taken(variable, offered, name))) for name in names]
    return [DAG(name=f"{node.name}-either", inputs=_inputs((*node.inputs, variable)), outputs=outputs, tasks=[*tasks]), *dags]


def _case_template(name: str, node: Choice, case: Case, templates: Templates) -> DAG:
    return DAG(
        name=name,
        inputs=_inputs(node.inputs),
        outputs=_outputs_of(_last(case).step, _last(case).name),
        tasks=[*Graph(case.nodes, templates, {"in": input_param}).build()],
        synchronization=m.Synchronization(mutexes=[m.Mutex(name=case.mutex)]) if case.mutex else None,
    )


def _last(case: Case) -> Step:
    last = case.nodes[-1]
    if not isinstance(last, Step):
        raise ValueError(f"case {case.name}: its last node must be a step, whose result is the case's")
    return last


def _taken(variable: str, offered: Mapping[str, Case], output: str) -> str:
    """Outputs of a skipped task are absent, and an absent one fails the node: only the way that was taken is looked at."""
    (*others, (_, last)) = offered.items()
    path = f"outputs.parameters.{kebab(output)}"
    tests = "".join(f"inputs.parameters.{kebab(variable)} == '{value}' ? tasks.{case.name}.{path} : " for value, case in others)
    return f"{tests}tasks.{last.name}.{path}"


def _inputs(names: Any) -> list[Parameter]:
    return [Parameter(name=kebab(name)) for name in names]


def _outputs_of(step: str, task: str) -> list[Parameter]:
    """Outputs of a DAG that are those of the task that runs `step`."""
    return [Parameter(name=kebab(name), value_from=m.ValueFrom(parameter=task_output(task, name))) for name in find_step(step).all_outputs]
