"""The DAG of the loop, or of a part of it, from `steps.contract.pipeline.PIPELINE`.

Every task carries the conditions of everything before it, not only its own: a model that
failed the gate, or that nobody approved, cannot be released even if an edge were lost.
What a person types never stands in a condition. Conditions read the phase and the decision
that a step wrote, and a step writes one of a few words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hera.workflows import Container, Suspend, Task
from hera.workflows.models import Template

from steps.contract.pipeline import PIPELINE, Stage
from workflows.environment import Environment
from workflows.fanout import FAN_OUT, INSTEAD, INSTEAD_OF, govern_templates, label_templates
from workflows.nemo import EITHER, train_templates
from workflows.templates import approval_template, kebab, step_template, task_output

AnyTemplate = Container | Suspend | Template

# What a person sees at an approval beside `Stage.shows`: name -> (source, what it is).
ALSO_SHOWN: dict[str, dict[str, str]] = {
    "approve-train": {
        "config_hash": "estimate.config_hash",
        "estimated_usd": "estimate.usd",
        "estimated_gpu_hours": "estimate.gpu_hours",
        "estimate": "estimate.reason",
    },
    "approve-deploy": {"artifact": "train.model", "metrics": "gate.metrics", "verdict": "gate.verdict"},
}
DESCRIPTIONS: dict[str, str] = {
    "curate.digest": "SHA-256 of the dataset: training refuses any other",
    "curate.snapshot_id": "its snapshot of the lake's datasets table",
    "curate.pairs": "preference pairs",
    "curate.prompts": "prompts",
    "label.mean_score": "mean reward of the labelled traces, 0-1",
    "estimate.config_hash": "digest of the configuration",
    "estimate.usd": "estimated US dollars",
    "estimate.gpu_hours": "estimated GPU hours",
    "estimate.reason": "what the estimate rests on",
    "register.model": "the registered version",
    "train.model": "its files and their digest: release refuses any other",
    "gate.phase": "the gate's phase",
    "gate.reason": "what decided it",
    "gate.metrics": "both models' metrics with the 95 % intervals of the difference, as JSON",
    "gate.verdict": "the whole verdict",
}
# The content that a decision is bound to.
BOUND_TO: dict[str, str] = {"approve-train": "curate.digest", "approve-deploy": "train.model"}
# Free text is shown but not copied into the JSON of the record, where a quotation mark would break it.
FREE_TEXT = frozenset({"gate.reason", "estimate.reason"})
# Already JSON.
JSON_TEXT = frozenset({"gate.metrics"})


@dataclass
class Loop:
    """Tasks and templates of the loop.

    Attributes:
        given: `run.NAME`, or an output of a stage that is not part of it -> where its value comes from.
        roots: tasks that stages without needs wait for.
    """

    env: Environment
    given: Mapping[str, str]
    roots: tuple[str, ...] = ()
    tasks: list[Task] = field(default_factory=list)
    templates: list[object] = field(default_factory=list)
    _guards: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, stages: tuple[Stage, ...] = PIPELINE) -> Loop:
        """Add the tasks of these stages, which must stand in the pipeline's order."""
        names = {stage.name for stage in stages}
        for stage in stages:
            needs = tuple(need for need in stage.needs if need in names)
            guards = self._conditions(stage, needs, names)
            if stage.is_approval:
                self._add_approval(stage, needs, guards)
            else:
                self._add_stage(stage, needs, guards)
        if any(stage.is_approval for stage in stages) or any(stage.when for stage in stages):
            self.templates.append(step_template(self.env, "reject", ("stage", "reason", "by")))
        return self

    def ref(self, source: str) -> str:
        """Where the value of `stage.output` or `run.NAME` comes from."""
        if source in self.given:
            return self.given[source]
        origin, _, output = source.partition(".")
        approvals = {stage.name for stage in PIPELINE if stage.is_approval}
        return task_output(recorded(origin) if origin in approvals else origin, output)

    def _conditions(self, stage: Stage, needs: tuple[str, ...], names: set[str]) -> tuple[str, ...]:
        """All conditions on the way to a stage, each once, in the order in which they arise."""
        conditions = [condition for need in needs for condition in self._guards[need]]
        if stage.when is not None and stage.when.stage in names:
            conditions.append(f"'{task_output(stage.when.stage, stage.when.output)}' == '{stage.when.equals}'")
        self._guards[stage.name] = tuple(dict.fromkeys(conditions))
        return self._guards[stage.name]

    def _add_stage(self, stage: Stage, needs: tuple[str, ...], guards: tuple[str, ...]) -> None:
        arguments = {name: self.ref(source) for name, source in stage.inputs.items()}
        if stage.name in FAN_OUT:
            replaced = arguments.pop(INSTEAD_OF.get(stage.name, ""), None)
            if replaced is not None:
                origin = stage.inputs[INSTEAD_OF[stage.name]].partition(".")[0]
                arguments |= {name: self.ref(f"{origin}.{output}") for name, output in INSTEAD[stage.name].items()}
            self.templates += govern_templates(self.env) if stage.name == "govern" else label_templates(self.env)
        elif self._either(stage):
            self.templates += train_templates(self.env, tuple(arguments))
            arguments["trainer"] = self.given["run.trainer"]
        else:
            self.templates.append(step_template(self.env, stage.step, tuple(arguments)))
        template = stage.name if stage.name in FAN_OUT else EITHER if self._either(stage) else stage.step
        self._task(stage.name, template, self._after(needs), guards, arguments)
        if any(later.when and later.when.stage == stage.name for later in PIPELINE):
            self._add_rejection(stage.name, stage.name, "phase", "Successful", "the pipeline")

    def _either(self, stage: Stage) -> bool:
        """Whether the run's `trainer` decides what the stage runs; where there is only one, it is the step's pod."""
        return stage.step == "train" and self.env.offers_nemo

    def _after(self, needs: tuple[str, ...]) -> tuple[str, ...]:
        approvals = {stage.name for stage in PIPELINE if stage.is_approval}
        return tuple(recorded(need) if need in approvals else need for need in needs) or self.roots

    def _add_approval(self, stage: Stage, needs: tuple[str, ...], guards: tuple[str, ...]) -> None:
        """Suspend, then record the answer; only what was recorded counts."""
        after = self._after(needs)
        if stage.name == "approve-train":
            after, guards = self._add_estimate(after, guards)
        sources = {source.replace(".", "_"): source for source in stage.shows} | ALSO_SHOWN[stage.name]
        shown = {kebab(name): self.ref(source) for name, source in sources.items()}
        self.templates.append(approval_template(stage.name, {kebab(name): DESCRIPTIONS[source] for name, source in sources.items()}))
        self._task(stage.name, stage.name, after, guards, shown)
        answers = {
            name: task_output(stage.name, given)
            for name, given in (("decision", "approve"), ("reason", "reason"), ("approver", "approver"))
        }
        arguments = {"stage": stage.name, **answers, "digest": self.ref(BOUND_TO[stage.name]), "shown": self._as_json(sources)}
        arguments["model"] = self.ref("register.model") if stage.name == "approve-deploy" else ""
        if not any(getattr(template, "name", "") == "approve" for template in self.templates):
            self.templates.append(step_template(self.env, "approve", tuple(arguments)))
        record = recorded(stage.name)
        self._task(record, "approve", (stage.name,), guards, arguments)
        self._guards[stage.name] = (*guards, f"'{task_output(record, 'decision')}' == 'approved'")
        self._add_rejection(stage.name, record, "decision", "approved", task_output(record, "by"))

    def _add_estimate(self, after: tuple[str, ...], guards: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the training will cost; above the limit the run ends here."""
        arguments = {"pairs": self.ref("curate.pairs"), "method": self.ref("run.method"), "trainer": self.given["run.trainer"]}
        arguments["max_cost_usd"] = self.given["run.max_cost_usd"]
        self.templates.append(step_template(self.env, "estimate", tuple(arguments)))
        self._task("estimate", "estimate", after, guards, arguments)
        self._add_rejection("estimate", "estimate", "phase", "Successful", "the pipeline")
        return ("estimate",), (*guards, f"'{task_output('estimate', 'phase')}' == 'Successful'")

    def _add_rejection(self, stage: str, task: str, output: str, good: str, by: str) -> None:
        """End the workflow as Failed, with a message that says who stopped it and why."""
        arguments = {"stage": stage, "reason": task_output(task, "reason"), "by": by}
        self._task(f"rejected-{stage}", "reject", (task,), (f"'{task_output(task, output)}' != '{good}'",), arguments)

    def _task(self, name: str, template: str, after: tuple[str, ...], guards: tuple[str, ...], arguments: Mapping[str, str]) -> None:
        self.tasks.append(
            Task(
                name=name,
                template=template,
                depends=" && ".join(f"{task}.Succeeded" for task in after) or None,
                when=" && ".join(guards) or None,
                arguments={kebab(key): value for key, value in arguments.items()},
            )
        )

    def _as_json(self, sources: Mapping[str, str]) -> str:
        """What was shown, as the JSON that the record keeps."""
        entries = []
        for name, source in sources.items():
            if source not in FREE_TEXT:
                mark = "" if source in JSON_TEXT else '"'
                entries.append(f'"{name}": {mark}{self.ref(source)}{mark}')
        return "{" + ", ".join(entries) + "}"


def recorded(approval: str) -> str:
    """The task that records an approval's answer."""
    return f"record-{approval}"
