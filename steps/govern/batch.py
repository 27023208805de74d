"""Gating of one unit: read, assemble, decide. No text touches the disk before the last gate has passed it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from steps.chat.assemble import assemble
from steps.chat.reading import read_unit
from steps.chat.span import Score, Span, Unreadable
from steps.chat.trace import Trace
from steps.contract.config import GovernConfig
from steps.govern.gates import GATES, Decision, claims_gates, pii_gate
from steps.govern.identity import keyed_hash, safe_id
from steps.govern.pii.scan import which
from steps.govern.rows import ledger_row, limit_models, trace_row
from steps.store.lake_rows import row_filter
from steps.store.units import UNIT_STAGE, Unit

if TYPE_CHECKING:
    import pyarrow as pa

    from steps.store.lake import Lake


@dataclass
class Counts:
    """Counts of a unit. `read == written + quarantined + sum(by_gate) + duplicates` always holds.

    Attributes:
        read: assembled traces, plus lines, rows and span groups that gave none.
        spans: spans and observations read.
        written: traces committed.
        quarantined: lines, rows and span groups that gave no trace.
        duplicates: traces that an earlier unit had committed already.
        masked: traces written with something masked.
        by_gate: traces that each gate stopped.
    """

    read: int = 0
    spans: int = 0
    written: int = 0
    quarantined: int = 0
    duplicates: int = 0
    masked: int = 0
    by_gate: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GATES, 0))

    def add(self, other: Counts) -> None:
        """Add another unit's counts."""
        for name in ("read", "spans", "written", "quarantined", "duplicates", "masked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for gate, count in other.by_gate.items():
            self.by_gate[gate] = self.by_gate.get(gate, 0) + count


@dataclass
class Outcome:
    """A unit's rows, ready to commit."""

    traces: list[dict[str, Any]] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[Unreadable] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def _read_traces(unit: Unit, outcome: Outcome) -> list[Trace]:
    """Read a unit's files and build its traces, in the order of their ids."""
    spans: dict[str, list[Span]] = defaultdict(list)
    scores: dict[str, list[Score]] = defaultdict(list)
    for record in read_unit(unit):
        if isinstance(record, Span):
            spans[record.trace_id].append(record)
            outcome.counts.spans += 1
        elif isinstance(record, Score):
            scores[record.trace_id].append(record)
        else:
            outcome.quarantine.append(record)
    outcome.quarantine += [
        Unreadable(score.uri, score.offset, "score-without-trace") for key in scores.keys() - spans.keys() for score in scores[key]
    ]
    traces = []
    for trace_id in sorted(spans):
        group = spans.pop(trace_id)
        result = assemble(group, scores.get(trace_id, ()))
        if isinstance(result, Trace):
            traces.append(result)
        else:
            outcome.quarantine.append(Unreadable(group[0].uri, group[0].offset, result))
    return traces


def _text_of(trace: Trace) -> str:
    return "\n".join((trace.question, trace.answer, *trace.contexts, *(message["content"] for message in trace.messages)))


def decide(traces: Iterable[Trace], config: GovernConfig, key: bytes, stored_ids: set[str], erased: set[str], outcome: Outcome) -> None:
    """Send traces through the gates and collect the rows.

    Args:
        traces: traces of one unit.
        config: what the gates allow.
        key: hashes users.
        stored_ids: stored trace ids of other units.
        erased: hashes of users whose data was erased on demand.
        outcome: gets the rows and counts.
    """
    now = datetime.now(UTC)
    passed: list[Trace] = []

    def stop(trace: Trace, decision: Decision) -> None:
        outcome.counts.by_gate[decision.gate] += 1
        outcome.ledger.append(ledger_row(trace.trace_id, decision, key, now))

    for trace in traces:
        outcome.counts.read += 1
        if safe_id(key, trace.trace_id) in stored_ids:
            outcome.counts.duplicates += 1
        elif trace.user_id and keyed_hash(key, trace.user_id) in erased:
            stop(trace, Decision("consent", "user-erased", "stopped"))
        elif (refusal := claims_gates(trace, config)) is not None:
            stop(trace, refusal)
        else:
            passed.append(trace)
    for trace, is_suspicious in zip(passed, which([_text_of(trace) for trace in passed]), strict=True):
        decisions = pii_gate(trace, config) if is_suspicious else []
        if decisions and decisions[0].action == "stopped":
            stop(trace, decisions[0])
            continue
        outcome.ledger += [ledger_row(trace.trace_id, decision, key, now) for decision in decisions]
        outcome.counts.masked += bool(decisions)
        outcome.traces.append(trace_row(trace, decisions, key, now))
    limit_models(outcome.traces)


def _column(table: pa.Table, name: str) -> set[str]:
    return set(table.column(name).to_pylist())


def gate_unit(unit: Unit, lake: Lake, config: GovernConfig, key: bytes) -> Outcome:
    """Read one unit and send it through the gates; commit nothing.

    Stored traces are looked up on the unit's own days only, so that not every shard reads the ids of the whole lake;
    the commit looks on all days.

    Args:
        unit: the unit.
        lake: where stored traces are looked up.
        config: what the gates allow.
        key: hashes users.

    Raises:
        DataError: a file changed since it was planned, or is gone.
    """
    outcome = Outcome()
    traces = _read_traces(unit, outcome)
    others = ~row_filter({"ingest_batch": unit.id})
    where = others & row_filter({"date": {trace.ts.date().isoformat() for trace in traces}})
    stored_ids = _column(lake.among("traces", ("trace_id",), [safe_id(key, trace.trace_id) for trace in traces], where), "trace_id")
    decide(traces, config, key, stored_ids, erased_users(lake), outcome)
    return outcome


def erased_users(lake: Lake) -> set[str]:
    """Hashes of users whose data was erased on demand."""
    return _column(lake.scan("erasures", ("user_hash",)), "user_hash")


def drop_erased(lake: Lake, batches: tuple[str, ...], run_id: str) -> int:
    """Delete the committed rows of users erased meanwhile; return how many.

    Erasure records the user before it deletes, and a commit writes before it looks: of two that overlap, the later
    one sees the work of the earlier one.
    """
    erased = erased_users(lake)
    if not erased:
        return 0
    rows: int = lake.scan("traces", ("trace_id", "user_hash"), {"ingest_batch": batches, "user_hash": erased}).num_rows
    if rows:
        lake.delete_for_good("traces", {"ingest_batch": batches, "user_hash": erased}, run_id=run_id)
    return rows


def finished_units(lake: Lake) -> dict[str, Counts]:
    """Counts of every committed unit, by unit id."""
    return {record.payload["unit"]: Counts(**record.payload["counts"]) for record in lake.run_records(UNIT_STAGE)}
