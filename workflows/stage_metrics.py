"""Metrics of what a step found: which output of a step becomes which gauge. Argo puts `argo_workflows_` before each name."""

from __future__ import annotations

from typing import NamedTuple


class StageMetric(NamedTuple):
    """One gauge: its name, the field of the result that it shows, its fixed labels."""

    name: str
    field: str
    help: str
    labels: tuple[tuple[str, str], ...] = ()


def _traces(result: str) -> StageMetric:
    return StageMetric("ctp_ingest_traces", result, "traces of the last ingest by what became of them", (("result", result),))


def _stopped(gate: str) -> StageMetric:
    return StageMetric("ctp_gate_stopped_traces", f"stopped_{gate}", "traces of the last ingest that a gate stopped", (("gate", gate),))


def _labels(result: str) -> StageMetric:
    return StageMetric("ctp_labels", result, "traces of the last labelling by what became of them", (("result", result),))


_ERASURES = (
    StageMetric("ctp_erasures_open", "open_erasures", "erasures that were asked for and are not complete"),
    StageMetric(
        "ctp_erasure_oldest_open_timestamp_seconds",
        "oldest_open_erasure_s",
        "when the oldest erasure that is not complete was asked for; 0: there is none",
    ),
)
# Step -> what its last success showed.
OF_A_STAGE: dict[str, tuple[StageMetric, ...]] = {
    "govern-commit": (
        *(_traces(result) for result in ("read", "written", "stopped", "quarantined")),
        *(_stopped(gate) for gate in ("pii", "consent", "region", "confidentiality")),
    ),
    "label-commit": tuple(_labels(result) for result in ("labelled", "unscored")),
    "gate": (StageMetric("ctp_judge_shift", "judge_shift", "change of the gate judge's mean score against its record, 0-1"),),
    "maintain": _ERASURES,
    "erase": _ERASURES,
}


def shown_by(step: str) -> tuple[str, ...]:
    """Fields that are an output of a step only because a metric shows them."""
    known = ("read", "written", "stopped", "quarantined", "labelled", "unscored")
    return tuple(item.field for item in OF_A_STAGE[step] if item.field not in known)
