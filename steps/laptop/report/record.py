"""The record of one run of the loop: what `report.json` holds and the page shows.

The local runner fills it. Blocks of stages that a run did not reach are None:
a rejected run has no canary. Numbers that could not be measured are None, never
NaN, because NaN is no JSON. Score and ratio fields are 0-1, weights are percent.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError, model_validator

from steps.contract.errors import DataError
from steps.contract.refs import Frozen


def _finite(value: Any) -> Any:
    """NaN and infinities mean "not measured"."""
    if isinstance(value, Real) and not isinstance(value, bool) and not math.isfinite(value):
        return None
    return value


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def _printable(value: Any) -> Any:
    """Replace what UTF-8 or HTML cannot hold: lone surrogates and control characters."""
    return _UNPRINTABLE.sub("\ufffd", value) if isinstance(value, str) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Interval = tuple[Number, Number]
Text = Annotated[str, BeforeValidator(_printable)]
Scalar = Annotated[bool | int | float | Text | None, BeforeValidator(_finite)]
Version = int | Text


class GateCounts(Frozen):
    """Traces that each governance gate stopped."""

    pii: int = 0
    consent: int = 0
    region: int = 0
    confidentiality: int = 0


class IngestRecord(Frozen):
    """What came in. Grain of `read`, `written`, `duplicates`: one trace; `spans`: one span; `quarantined`: one unreadable row."""

    read: int
    written: int
    quarantined: int = 0
    by_gate: GateCounts = GateCounts()
    snapshot_id: int
    duplicates: int | None = None
    spans: int | None = None
    masked: int | None = Field(default=None, description="traces kept with personal data masked")


class LabelRecord(Frozen):
    """Reward labels. Histograms count traces in equal bins over 0-1 (20 bins)."""

    labelled: int
    llm_calls: int
    cache_hits: int = 0
    unscored: int | None = None
    mean_score: Number = None
    histogram: tuple[int, ...] = ()
    components: dict[Text, tuple[int, ...]] = {}


class PairExample(Frozen):
    """One preference pair. Untrusted text."""

    question: Text
    contexts: tuple[Text, ...] = ()
    chosen: Text
    rejected: Text
    chosen_score: Number = None
    rejected_score: Number = None


class DatasetRecord(Frozen):
    """The curated dataset: pairs for DPO, prompts for GRPO."""

    pairs: int
    digest: Text
    snapshot_id: int
    prompts: int | None = None
    examples: tuple[PairExample, ...] = ()


class TrainRecord(Frozen):
    """Training. `curves` holds one row per logged optimizer step: `step` and any numbers."""

    steps: int
    seconds: float
    reused: bool | None = Field(default=None, description="the candidate of an identical earlier training was taken")
    curves: tuple[dict[Text, Number], ...] = ()

    @model_validator(mode="after")
    def _steps_named(self) -> TrainRecord:
        if any(row.get("step") is None for row in self.curves):
            raise ValueError("every row of train.curves needs its optimizer step under 'step'")
        return self


class MetricRecord(Frozen):
    """One metric on the golden set, champion and candidate answering the same prompts."""

    champion: Number
    candidate: Number
    delta: Number = Field(description="candidate minus champion, in the metric's unit")
    ci95: Interval | None = Field(default=None, description="paired 95 % interval of `delta`")
    n: int = Field(description="prompts compared")
    unit: Literal["score", "ratio", "ms", "tokens"] = Field(
        default="score", description="`score` is 0-1 and drawn; other units only stand in the table"
    )
    better: Literal["higher", "lower"] = Field(default="higher", description="which direction is an improvement")
    independent: bool = Field(default=False, description="measured by something the reward never saw")


class Finding(Frozen):
    """One rule of the gate. `ok` None: not enough evidence to decide."""

    name: Text
    value: Number = None
    limit: Number = None
    interval: Interval | None = None
    n: int | None = None
    power: Number = None
    ok: bool | None
    reason: Text = ""


class AnswerExample(Frozen):
    """Both models' answers to one unseen question. Untrusted text."""

    question: Text
    contexts: tuple[Text, ...] = ()
    champion: Text
    candidate: Text


class GateRecord(Frozen):
    """The offline gate."""

    phase: Literal["Successful", "Failed", "Inconclusive", "Error"]
    metrics: dict[Text, MetricRecord] = {}
    findings: tuple[Finding, ...] = ()
    examples: tuple[AnswerExample, ...] = ()


class Approval(Frozen):
    """One point where a person decides, and what they saw. `automatic`: nobody was asked (`--yes`)."""

    name: Text
    by: Text
    at: AwareDatetime
    automatic: bool
    decision: Literal["approved", "rejected"]
    shown: dict[Text, Scalar] = {}


class StepFaithfulness(Frozen):
    """Live faithfulness of both versions within one canary step; `delta` is canary minus stable."""

    stable: Number
    canary: Number
    delta: Number = None
    ci95: Interval | None = None


class CanaryStep(Frozen):
    """One weight of the canary. `observed_share` (0-1) is what the gateway really sent to it."""

    weight: int = Field(ge=0, le=100)
    observed_share: Number
    requests: int
    verdict: Text
    faithfulness: StepFaithfulness | None = None
    seconds: Number = None


class CanaryPoint(Frozen):
    """One look at live traffic. `t_s` counts from the start of the canary; `share` and ratios are 0-1."""

    t_s: float
    weight: float
    requests_stable: int = 0
    requests_canary: int = 0
    share: Number = None
    faithfulness_stable: Number = None
    faithfulness_canary: Number = None
    error_ratio_canary: Number = None
    p99_stable_ms: Number = None
    p99_canary_ms: Number = None
    event: Text = ""


class CanaryRecord(Frozen):
    """Live traffic to the candidate. `abort_seconds`: first bad answer possible until no traffic reached it."""

    steps: tuple[CanaryStep, ...] = ()
    user_errors: int
    abort_seconds: Number = None
    timeline: tuple[CanaryPoint, ...] = ()
    reason: Text = ""


class RegistryRecord(Frozen):
    """Model versions after the run, as numbers or `agent-model@3`."""

    champion: Version | None
    candidate: Version | None
    previous: Version | None = None


class ReleaseMoment(Frozen):
    """One event of a rollback; `after_s` counts from the breach."""

    name: Text
    at: AwareDatetime
    after_s: float
    note: Text = ""


class ReleaseRecord(Frozen):
    """The Git commits that moved the model pin."""

    commit: Text | None
    previous_commit: Text | None = None
    reverted: bool = False
    revert_commit: Text | None = None
    timeline: tuple[ReleaseMoment, ...] = ()


class RunReport(Frozen):
    """Everything one run of the loop did. Grain: one record per run."""

    run_id: Text
    seed: int
    method: Literal["dpo", "grpo"]
    outcome: Literal["promoted", "rejected", "aborted"]
    reason: Text = Field(default="", description="why the run was rejected or aborted, one sentence without a full stop")
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    config_hash: Text = ""
    ingest: IngestRecord | None = None
    label: LabelRecord | None = None
    dataset: DatasetRecord | None = None
    train: TrainRecord | None = None
    gate: GateRecord | None = None
    approvals: tuple[Approval, ...] = ()
    canary: CanaryRecord | None = None
    registry: RegistryRecord | None = None
    release: ReleaseRecord | None = None
    seconds: dict[Text, float] = Field(default={}, description="wall seconds by stage, in the order they ran")
    cpu_seconds: dict[Text, Number] = {}
    cost_usd: dict[Text, Number] = {}
    peak_memory_mb: Number = None
    versions: dict[Text, Text] = {}

    def wall_seconds(self) -> float | None:
        """Start to finish, including the time people took to approve; else the sum of the stages; None if unknown."""
        if self.started_at and self.finished_at:
            return _seconds_between(self.started_at, self.finished_at)
        return sum(self.seconds.values()) if self.seconds else None


def _seconds_between(start: datetime, end: datetime) -> float:
    """Never negative, even when a clock was set back."""
    return max(0.0, (end - start).total_seconds())


def read_report(path: Path) -> RunReport:
    """Read a `report.json`.

    Raises:
        DataError: the file is missing, is not JSON or does not match `RunReport`.
    """
    try:
        return RunReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: no readable report: name a finished run, `ctp status` lists them") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(document)"
        raise DataError(f"{path}: {key}: {first['msg']}: the file is damaged or of another version, run the loop again") from error
