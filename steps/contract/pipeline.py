"""The one DAG of the loop as data. The local runner and the workflow renderer both read it.

A stage names its step, what it waits for, which outputs of earlier stages become its
parameters, and the condition under which it may run at all. A condition that does not
hold ends the run there: nothing after it can be reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


def _bind(**bindings: str) -> Mapping[str, str]:
    return MappingProxyType(bindings)


@dataclass(frozen=True)
class Condition:
    """Run only if field `output` of stage `stage` equals `equals`."""

    stage: str
    output: str
    equals: str


@dataclass(frozen=True)
class Stage:
    """One node of the DAG.

    Attributes:
        name: unique name, also the node name in the workflow.
        step: the step it runs; empty for an approval, where a person decides.
        needs: stages that must have ended well before.
        inputs: parameter -> `stage.output` (an earlier result) or `run.NAME` (given with the run).
        when: the condition for running at all.
        shows: for an approval: `stage.output` values that the person sees.
    """

    name: str
    step: str = ""
    needs: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=_bind)
    when: Condition | None = None
    shows: tuple[str, ...] = ()

    @property
    def is_approval(self) -> bool:
        """Whether a person decides here."""
        return not self.step


PIPELINE: tuple[Stage, ...] = (
    Stage("ingest", "ingest", inputs=_bind(sources="run.sources")),
    Stage("govern", "govern", needs=("ingest",), inputs=_bind(units="ingest.units")),
    Stage(
        "label", "label", needs=("govern",), inputs=_bind(traces="govern.traces", golden="run.golden", since="run.since", until="run.until")
    ),
    Stage(
        "curate",
        "curate",
        needs=("label",),
        inputs=_bind(
            traces="govern.traces",
            labels="label.labels",
            policy_version="label.policy_version",
            golden="run.golden",
            champion="run.champion",
            since="run.since",
            until="run.until",
        ),
    ),
    Stage(
        "approve-train",
        needs=("curate",),
        when=Condition("curate", "phase", "Successful"),
        shows=("curate.digest", "curate.snapshot_id", "curate.pairs", "curate.prompts", "label.mean_score"),
    ),
    Stage(
        "train",
        "train",
        needs=("approve-train",),
        inputs=_bind(
            dataset="curate.dataset",
            base="run.base",
            method="run.method",
            approved_digest="approve-train.digest",
        ),
    ),
    Stage(
        "gate",
        "gate",
        needs=("train",),
        inputs=_bind(
            champion="run.champion_artifact",
            candidate="train.model",
            golden="run.golden",
            champion_url="run.champion_url",
            candidate_url="run.candidate_url",
        ),
    ),
    Stage(
        "register",
        "register",
        needs=("gate",),
        when=Condition("gate", "phase", "Successful"),
        inputs=_bind(
            model="train.model",
            base="run.base",
            dataset="curate.dataset",
            verdict="gate.verdict",
            gate_phase="gate.phase",
            traces="govern.traces",
            policy_version="label.policy_version",
            method="train.method",
            approved_by="approve-train.by",
            approved_at="approve-train.at",
        ),
    ),
    Stage(
        "approve-deploy",
        needs=("register",),
        shows=("register.model", "gate.phase", "gate.reason"),
    ),
    Stage(
        "release",
        "release",
        needs=("approve-deploy",),
        inputs=_bind(
            model="register.model",
            artifact="register.artifact",
            approved_by="approve-deploy.by",
            expected_current="run.champion",
            verdict="gate.verdict",
            approved_digest="approve-deploy.digest",
        ),
    ),
)


def find_stage(name: str) -> Stage:
    """Return the stage called `name`.

    Raises:
        KeyError: there is none.
    """
    for stage in PIPELINE:
        if stage.name == name:
            return stage
    raise KeyError(name)
