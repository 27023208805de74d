"""One unit through the gates: read, assemble, decide, commit.

Nothing with text touches the disk before the last gate has passed it. The commits replace the
unit's own batch in a fixed order (quarantine, ledger, traces, then the record that the unit is
done), so that a run killed anywhere and started again loses nothing and repeats nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from steps.chat.assemble import assemble
from steps.chat.reading import read_unit
from steps.chat.span import Score, Span, Unreadable
from steps.chat.trace import Trace
from steps.contract.config import GovernConfig
from steps.govern.gates import GATES, Decision, claims_gates, pii_gate
from steps.govern.identity import keyed_hash, safe_id
from steps.govern.pii import suspicious
from steps.govern.rows import ledger_row, limit_models, quarantine_row, to_table, trace_row
from steps.store.lake_rows import row_filter
from steps.store.units import UNIT_STAGE, Unit

if TYPE_CHECKING:
    import pyarrow as pa

    from steps.store.lake import Lake


@dataclass
class Counts:
    """What became of a unit. `read == written + quarantined + sum(by_gate) + duplicates` always holds.

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


def _assembled(unit: Unit, outcome: Outcome) -> list[Trace]:
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


def _needs_look(traces: list[Trace]) -> list[bool]:
    """Which traces hold text that could be personal data, by one RE2 pass over a column."""
    import pyarrow as pa

    return suspicious(pa.array([_text_of(trace) for trace in traces], pa.large_string()))


def decide(traces: Iterable[Trace], config: GovernConfig, key: bytes, known: set[str], erased: set[str], outcome: Outcome) -> None:
    """Send assembled traces through the gates and collect the rows.

    Args:
        traces: traces of one unit.
        config: what the gates allow.
        key: hashes users.
        known: stored trace ids of other units.
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
        if safe_id(key, trace.trace_id) in known:
            outcome.counts.duplicates += 1
        elif trace.user_id and keyed_hash(key, trace.user_id) in erased:
            stop(trace, Decision("consent", "user-erased", "stopped"))
        elif (refusal := claims_gates(trace, config)) is not None:
            stop(trace, refusal)
        else:
            passed.append(trace)
    for trace, look in zip(passed, _needs_look(passed), strict=True):
        decisions = pii_gate(trace, config) if look else []
        if decisions and decisions[0].action == "stopped":
            stop(trace, decisions[0])
            continue
        outcome.ledger += [ledger_row(trace.trace_id, decision, key, now) for decision in decisions]
        outcome.counts.masked += bool(decisions)
        outcome.traces.append(trace_row(trace, decisions, key, now))
    limit_models(outcome.traces)


def _not_yet(lake: Lake, table: str, rows: list[dict[str, Any]], key: tuple[str, ...], batch: str) -> list[dict[str, Any]]:
    """Rows whose key no other batch holds: a file that grew brings its old entries again."""
    if not rows:
        return rows
    stored = lake.among(table, key, [row[key[0]] for row in rows], ~row_filter({"ingest_batch": batch}))
    known = set(zip(*(stored.column(name).to_pylist() for name in key), strict=True))
    return [row for row in rows if tuple(row[name] for name in key) not in known]


def _has_batch(lake: Lake, table: str, batch: str) -> bool:
    return bool(lake.scan(table, ("ingest_batch",), {"ingest_batch": batch}).num_rows)


def _column(table: pa.Table, name: str) -> set[str]:
    return set(table.column(name).to_pylist())


def commit(lake: Lake, unit: Unit, outcome: Outcome, run_id: str) -> None:
    """Commit a unit's rows and then the record that it is done; complete the counts.

    Raises:
        TransientError: other writers won every race.
    """
    now = datetime.now(UTC)
    put = partial(lake.replace_batch, batch_column="ingest_batch", batch_id=unit.id, run_id=run_id, watermarks={"unit": unit.id})
    quarantine = _not_yet(
        lake, "quarantine", [quarantine_row(place, now) for place in outcome.quarantine], ("source_uri", "offset", "reason"), unit.id
    )
    if quarantine or _has_batch(lake, "quarantine", unit.id):
        put("quarantine", to_table("quarantine", quarantine))
    ledger = _not_yet(lake, "gate_ledger", outcome.ledger, ("trace_id", "gate", "rule"), unit.id)
    if ledger or _has_batch(lake, "gate_ledger", unit.id):
        put("gate_ledger", to_table("gate_ledger", ledger))
    put("traces", to_table("traces", outcome.traces), unique_by="trace_id")
    late = bury_erased(lake, (unit.id,), run_id)
    counts = outcome.counts
    counts.written = lake.scan("traces", ("trace_id",), {"ingest_batch": unit.id}).num_rows
    counts.by_gate["consent"] += late
    counts.duplicates += len(outcome.traces) - counts.written - late
    counts.quarantined = len(outcome.quarantine)
    counts.read += counts.quarantined
    payload = {
        "unit": unit.id,
        "shard": unit.shard,
        "shards": unit.shards,
        "sha256": [item.sha256 for item in unit.files],
        "counts": asdict(counts),
    }
    lake.append_run_record(run_id, UNIT_STAGE, payload, key=f"{UNIT_STAGE}:{unit.id}")


def gated(unit: Unit, lake: Lake, config: GovernConfig, key: bytes, *, nearby: bool = False) -> Outcome:
    """Read one unit and send it through the gates; commit nothing.

    Args:
        unit: the unit.
        lake: where stored traces are looked up.
        config: what the gates allow.
        key: hashes users.
        nearby: look traces up on their own days only, so that not every shard reads the ids of the whole lake.
            Whoever commits must look on all days then.

    Raises:
        DataError: a file changed since it was planned, or is gone.
    """
    outcome = Outcome()
    traces = _assembled(unit, outcome)
    others = ~row_filter({"ingest_batch": unit.id})
    where = others & row_filter({"date": {trace.ts.date().isoformat() for trace in traces}}) if nearby else others
    known = _column(lake.among("traces", ("trace_id",), [safe_id(key, trace.trace_id) for trace in traces], where), "trace_id")
    decide(traces, config, key, known, erased_users(lake), outcome)
    return outcome


def erased_users(lake: Lake) -> set[str]:
    """Hashes of users whose data was erased on demand."""
    return _column(lake.scan("erasures", ("user_hash",)), "user_hash")


def bury_erased(lake: Lake, batches: tuple[str, ...], run_id: str) -> int:
    """Delete what was committed for users erased meanwhile; how many rows.

    Erasure records the user first and deletes then; committing writes first and looks then.
    Whichever of two that overlap is later sees the other.
    """
    erased = erased_users(lake)
    if not erased:
        return 0
    late: int = lake.scan("traces", ("trace_id", "user_hash"), {"ingest_batch": batches, "user_hash": erased}).num_rows
    if late:
        lake.delete_for_good("traces", {"ingest_batch": batches, "user_hash": erased}, run_id=run_id)
    return late


def govern_unit(unit: Unit, lake: Lake, config: GovernConfig, key: bytes, run_id: str) -> Counts:
    """Take one unit through the gates into the lake.

    Raises:
        DataError: a file changed since it was planned, or is gone; nothing is committed.
        TransientError: other writers won every race.
    """
    outcome = gated(unit, lake, config, key)
    commit(lake, unit, outcome, run_id)
    return outcome.counts


def finished(lake: Lake) -> dict[str, Counts]:
    """Counts of every unit that is done, by unit id."""
    return {record.payload["unit"]: Counts(**record.payload["counts"]) for record in lake.run_records(UNIT_STAGE)}
