"""What the lake holds of traces that came again, and how late claims and scores change it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from steps.chat.claims import CLASS_ORDER, Claims, is_withdrawn, strictest_class, strictest_consent
from steps.chat.span import Score
from steps.chat.trace import Trace
from steps.contract.config import GovernConfig
from steps.contract.files import canonical_json, sha256_text

if TYPE_CHECKING:
    from steps.store.lake import Lake


_SCORE_COLUMNS = ("trace_id", "score_id", "name", "data_type", "number", "label", "source", "author", "at")


@dataclass
class StoredTrace:
    """What the lake holds of one trace.

    Attributes:
        lake: where its generations are read.
        row: its row of `traces`; {} when it has none.
        batch: the unit that committed the row.
        is_whole: its model calls are stored, too: a commit that was killed half-way leaves a row without them.
        scores: what `feedback` holds of it.
        consents: consent of every delivery so far.
        classes: confidentiality of every delivery so far.
    """

    lake: Lake
    row: dict[str, Any] = field(default_factory=dict)
    batch: str = ""
    is_whole: bool = False
    scores: list[Score] = field(default_factory=list)
    consents: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)

    def tighten(self, trace: Trace) -> None:
        """Hold a trace to the strictest claims of its earlier deliveries, whose raw objects may be gone."""
        levels = self.consents | set(trace.consents)
        trace.consent, trace.withdrawn = strictest_consent(levels), is_withdrawn(levels)
        trace.confidentiality = strictest_class({level for level in (*self.classes, trace.confidentiality) if level})

    def read_generations(self) -> list[dict[str, Any]]:
        """Its rows of `generations`, without their batch."""
        where = {"date": self.row["date"].isoformat(), "trace_id": self.row["trace_id"]}
        rows: list[dict[str, Any]] = self.lake.scan("generations", where=where).to_pylist()
        return [{name: value for name, value in row.items() if name != "ingest_batch"} for row in rows]


def stored_traces(lake: Lake, trace_ids: list[str]) -> dict[str, StoredTrace]:
    """What the lake holds of some traces, by id: row, scores and claims."""
    stored: dict[str, StoredTrace] = {}

    def of(trace_id: str) -> StoredTrace:
        return stored.setdefault(trace_id, StoredTrace(lake))

    days = {day.isoformat() for day in lake.among("traces", ("trace_id", "date"), trace_ids).column("date").to_pylist()}
    # Rows hold text: only the days of stored traces are read whole.
    names = tuple(column.name for column in lake.schema("traces").columns)
    for row in lake.among("traces", names, trace_ids, {"date": days}).to_pylist() if days else ():
        trace = of(row["trace_id"])
        trace.batch = row["ingest_batch"] or ""
        trace.row = {name: value for name, value in row.items() if name != "ingest_batch"}
    calls = lake.among("generations", ("trace_id", "revision"), [*stored] if days else [], {"date": days})
    counts = Counter(zip(calls.column("trace_id").to_pylist(), calls.column("revision").to_pylist(), strict=True))
    for trace_id, trace in stored.items():
        trace.is_whole = counts[(trace_id, trace.row.get("revision"))] == trace.row.get("generations")
    for row in lake.among("claims", ("trace_id", "consent", "confidentiality"), trace_ids).to_pylist():
        of(row["trace_id"]).consents |= set((row["consent"] or "").split())
        of(row["trace_id"]).classes.add(row["confidentiality"] or "")
    for row in lake.among("feedback", _SCORE_COLUMNS, trace_ids).to_pylist():
        score = Score(row["trace_id"], _nanoseconds(row["at"]), score_id=row["score_id"], name=row["name"])
        score.data_type, score.number, score.label = row["data_type"] or "", row["number"], row["label"] or ""
        score.source, score.author = row["source"] or "", row["author"] or ""
        of(row["trace_id"]).scores.append(score)
    return stored


def _nanoseconds(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1e9) if moment else 0


def refusal_of(stored: StoredTrace, claims: Claims, config: GovernConfig) -> tuple[str, str] | None:
    """(gate, rule) by which late claims take a stored row out; None when they do not. A part without a claim refuses nothing."""
    levels = {stored.row["consent"], *stored.consents, *claims.consents}
    if strictest_consent(levels) == "none":
        return "consent", "consent-withdrawn"
    if strictest_consent(levels) == "unknown":
        return "consent", "consent-unknown"
    level = strictest_class({stored.row["confidentiality"], claims.confidentiality} - {""})
    if level and CLASS_ORDER.index(level) > CLASS_ORDER.index(config.max_confidentiality):
        return "confidentiality", "class-unknown" if level == "unknown" else f"class-{level}"
    return None


def amend_row(row: dict[str, Any], claims: Claims, feedback: float | None) -> dict[str, Any]:
    """A stored row after late claims and scores; equal to what it was when they change nothing.

    Args:
        row: as stored.
        claims: what came late.
        feedback: the verdict of all scores, late ones included; None without any.
    """
    changed = dict(row)
    if claims.consents:
        changed["consent"] = strictest_consent({row["consent"], *claims.consents})
    if claims.confidentiality:
        changed["confidentiality"] = strictest_class({row["confidentiality"], claims.confidentiality})
    if feedback is not None:
        changed["feedback"] = feedback
    if changed != row:
        changed["revision"] = sha256_text(canonical_json({name: str(value) for name, value in changed.items()}))[:32]
    return changed
