"""Settling of one unit: read, assemble, decide. No text touches the disk before the last gate has passed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from steps.chat.assemble import assemble, feedback_of
from steps.chat.claims import Claims, claims_of, is_withdrawn, strictest_class, strictest_consent
from steps.chat.feedback import Consent, Verdict, meaning_of
from steps.chat.same_call import second_tellings
from steps.chat.span import Score, Span, Unreadable
from steps.chat.trace import Trace
from steps.contract.config import PipelineConfig
from steps.govern.amend import StoredTrace, amend_row, refusal_of, stored_traces
from steps.govern.gates import GATES, Decision, claims_gates, pii_gate
from steps.govern.identity import keyed_hash, safe_id
from steps.govern.parts import Parts, part_rows, read_parts
from steps.govern.pii.scan import which
from steps.govern.rows import claims_row, feedback_row, ledger_row, limit_models, quarantine_row, trace_rows
from steps.govern.texts import texts_of
from steps.store.units import UNIT_STAGE, Unit

if TYPE_CHECKING:
    import pyarrow as pa

    from steps.store.lake import Lake

# What became of a trace. "amended" and "kept" are stored rows that late claims and scores changed, or did not.
WRITTEN, UNCHANGED, AMENDED, KEPT, QUARANTINED, PENDING = "written", "unchanged", "amended", "kept", "quarantined", "pending"
STOPPED = "stopped-"


@dataclass
class Counts:
    """Counts of a unit. `read == written + quarantined + sum(by_gate) + duplicates` always holds.

    Attributes:
        read: traces touched, plus lines and rows that gave none.
        spans: spans and observations read.
        written: traces committed, new or in the place of their earlier row.
        quarantined: lines and rows that gave no record, and traces that could not be assembled.
        duplicates: traces that came again and did not change.
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
    """What became of the traces of a unit, ready to commit.

    Attributes:
        rows: new rows by table: traces, generations, trace_parts, claims, feedback.
        ledger: rows of `gate_ledger`.
        quarantine: rows of `quarantine`.
        by_trace: what became of each trace, by stored id.
        spans: spans and observations read.
    """

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in ("traces", "generations", "trace_parts", "claims", "feedback")}
    )
    ledger: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    by_trace: dict[str, str] = field(default_factory=dict)
    spans: int = 0


def count(by_trace: dict[str, str], places: int, spans: int, masked: int) -> Counts:
    """Counts of the outcomes of traces and of the places that gave no record."""
    counts = Counts(spans=spans, masked=masked, quarantined=places, read=places)
    for outcome in by_trace.values():
        if outcome == PENDING:
            continue
        counts.read += 1
        counts.written += outcome in (WRITTEN, AMENDED)
        counts.duplicates += outcome in (UNCHANGED, KEPT)
        counts.quarantined += outcome == QUARANTINED
        if outcome.startswith(STOPPED):
            counts.by_gate[outcome.removeprefix(STOPPED)] += 1
    return counts


class Settling:
    """Settling of the traces of one unit.

    Args:
        config: what the gates allow, and how prompts are read.
        key: hashes users and ids that could hold text.
        unit_id: the unit; what an earlier attempt at it committed is written anew.
        erased: hashes of users whose data was erased on demand.
        stored: what the lake holds of these traces, by stored id.
    """

    def __init__(self, config: PipelineConfig, key: bytes, unit_id: str, erased: set[str], stored: dict[str, StoredTrace]) -> None:
        self._unit_id = unit_id
        self._config, self._key, self._erased, self._stored = config.govern, key, erased, stored
        self._trust_prompts, self._rules = config.ingest.contexts_in_prompts, config.feedback
        self._now = datetime.now(UTC)
        self.outcome = Outcome()

    def settle(self, parts: Parts) -> Outcome:
        """Assemble every trace of the parts, send it through the gates, and collect its rows."""
        traces: dict[str, Trace] = {}
        for trace_id in parts.trace_ids:
            stored_id = safe_id(self._key, trace_id)
            scores = [*parts.scores.get(trace_id, ()), *self._earlier_scores(stored_id)]
            spans = parts.joined_spans(trace_id)
            if not spans or stored_id in parts.incomplete:
                self._amend(stored_id, spans, scores)
                continue
            claim_spans = self._claim_spans(scores)
            result = assemble(spans, scores, trust_prompts=self._trust_prompts, rules=self._rules, claim_spans=claim_spans)
            if isinstance(result, str) and self._has_row(stored_id):
                # An odd part costs itself: what is stored stays, unless the part refuses.
                self._amend(stored_id, spans, scores)
            elif isinstance(result, str):
                self._quarantine(stored_id, [*spans, *claim_spans], result)
            else:
                traces[trace_id] = result
        self._drop_second_tellings(traces)
        passed = [trace for trace_id, trace in traces.items() if self._pass_claims(safe_id(self._key, trace_id), trace)]
        self._pass_text(passed)
        outcome = self.outcome
        outcome.rows["trace_parts"] = list(part_rows(parts, lambda trace_id: safe_id(self._key, trace_id), self._now))
        outcome.rows["feedback"] = [self._feedback_row(score) for scores in parts.scores.values() for score in _unique(scores)]
        outcome.quarantine += [quarantine_row(place, self._now) for place in parts.unreadable]
        outcome.spans = parts.span_count
        limit_models(outcome.rows["traces"], outcome.rows["generations"])
        return outcome

    def _drop_second_tellings(self, traces: dict[str, Trace]) -> None:
        """Leave out traces of one call that another trace tells, too; what they claim counts for that one."""
        for trace_id, owner in second_tellings((trace_id, trace.generations) for trace_id, trace in traces.items()).items():
            second, first = traces.pop(trace_id), traces[owner]
            levels = {*first.consents, *second.consents}
            first.consents, first.consent, first.withdrawn = tuple(sorted(levels)), strictest_consent(levels), is_withdrawn(levels)
            first.confidentiality = strictest_class({first.confidentiality, second.confidentiality} - {""})
            self.outcome.by_trace[safe_id(self._key, trace_id)] = KEPT

    def _earlier_scores(self, stored_id: str) -> Iterable[Score]:
        stored = self._stored.get(stored_id)
        return stored.scores if stored else ()

    def _has_row(self, stored_id: str) -> bool:
        stored = self._stored.get(stored_id)
        return stored is not None and bool(stored.row)

    def _quarantine(self, stored_id: str, spans: list[Span], reason: str) -> None:
        self.outcome.by_trace[stored_id] = QUARANTINED
        self.outcome.quarantine.append(quarantine_row(Unreadable(spans[0].uri, spans[0].offset, reason), self._now, stored_id))
        self._record_claims(stored_id, claims_of(spans))

    def _record_claims(self, stored_id: str, claims: Claims) -> None:
        """Keep what a delivery claimed: its raw object may be gone when the rest of the trace comes."""
        if claims.consents or claims.confidentiality:
            self.outcome.rows["claims"].append(claims_row(claims, stored_id, self._now))

    def _stop(self, stored_id: str, trace_id: str, decision: Decision) -> None:
        self.outcome.by_trace[stored_id] = STOPPED + decision.gate
        # An id that was hashed when it was stored is not hashed again.
        self.outcome.ledger.append(ledger_row(trace_id, decision, self._key, self._now) | {"trace_id": stored_id})

    def _pass_claims(self, stored_id: str, trace: Trace) -> bool:
        """Whether a trace's claims let it pass, those of earlier deliveries included."""
        own = Claims(trace.consent, trace.region, trace.confidentiality, consents=trace.consents, places=trace.claim_places)
        self._record_claims(stored_id, own)
        if (earlier := self._stored.get(stored_id)) is not None:
            earlier.tighten(trace)
        if trace.user_id and keyed_hash(self._key, trace.user_id) in self._erased:
            self._stop(stored_id, trace.trace_id, Decision("consent", "user-erased", "stopped"))
        elif (refusal := claims_gates(trace, self._config)) is not None:
            self._stop(stored_id, trace.trace_id, refusal)
        else:
            return True
        return False

    def _pass_text(self, traces: list[Trace]) -> None:
        """Send the text of traces through the last gate and make their rows."""
        for trace, is_suspicious in zip(traces, which(["\n".join(texts_of(trace)) for trace in traces]), strict=True):
            stored_id = safe_id(self._key, trace.trace_id)
            decisions = pii_gate(trace, self._config) if is_suspicious else []
            if decisions and decisions[0].action == "stopped":
                self._stop(stored_id, trace.trace_id, decisions[0])
                continue
            row, calls = trace_rows(trace, decisions, self._key, self._now)
            earlier = self._stored.get(stored_id)
            self.outcome.ledger += [ledger_row(trace.trace_id, decision, self._key, self._now) for decision in decisions]
            if earlier is not None and self._is_stored(earlier) and earlier.row["revision"] == row["revision"]:
                self.outcome.by_trace[stored_id] = UNCHANGED
                continue
            self.outcome.by_trace[stored_id] = WRITTEN
            self.outcome.rows["traces"].append(row)
            self.outcome.rows["generations"] += calls

    def _feedback_row(self, score: Score) -> dict[str, Any]:
        verdict = meaning_of(score, self._rules)
        return feedback_row(score, verdict.value if isinstance(verdict, Verdict) else None, self._key)

    def _claim_spans(self, scores: Iterable[Score]) -> list[Span]:
        """Scores by which somebody gives or withdraws consent, as claims."""
        result = []
        for score in scores:
            verdict = meaning_of(score, self._rules)
            if isinstance(verdict, Consent):
                result.append(Span(score.trace_id, "", "", "score", 0, 0, {"consent": verdict.word}))
        return result

    def _is_stored(self, earlier: StoredTrace) -> bool:
        return earlier.is_whole and earlier.batch != self._unit_id

    def _amend(self, stored_id: str, spans: list[Span], scores: list[Score]) -> None:
        """Apply what came too late to assemble the trace anew: its claims and scores change the stored row."""
        claims = claims_of([*spans, *self._claim_spans(scores)])
        self._record_claims(stored_id, claims)
        stored = self._stored.get(stored_id)
        if stored is None or not stored.row:
            self.outcome.by_trace[stored_id] = PENDING
        elif (refusal := refusal_of(stored, claims, self._config)) is not None:
            self._stop(stored_id, stored_id, Decision(*refusal, "stopped"))
        elif (row := amend_row(stored.row, claims, feedback_of(spans, scores, self._rules))) == stored.row and self._is_stored(stored):
            self.outcome.by_trace[stored_id] = KEPT
        else:
            self.outcome.by_trace[stored_id] = AMENDED
            self.outcome.rows["traces"].append(row)
            changed = {"consent": row["consent"], "revision": row["revision"]}
            self.outcome.rows["generations"] += [{**call, **changed} for call in stored.read_generations()]


def _unique(scores: Iterable[Score]) -> list[Score]:
    """Scores without redeliveries: of one id and name the latest."""
    latest: dict[tuple[str, str], Score] = {}
    for score in sorted(scores, key=lambda score: score.at_ns):
        latest[(score.score_id or f"{score.at_ns} {score.number} {score.label}", score.name)] = score
    return list(latest.values())


def settle_unit(unit: Unit, lake: Lake, config: PipelineConfig, key: bytes, only: frozenset[str] | None = None) -> Outcome:
    """Read one unit, put its traces together with their earlier parts, and send them through the gates; commit nothing.

    Args:
        unit: the unit.
        lake: where earlier parts and rows are looked up.
        config: what the gates allow, and how prompts are read.
        key: hashes users.
        only: stored ids of the traces that are wanted; None: all of the unit.

    Raises:
        DataError: a new object is gone.
    """
    stored_id: Callable[[str], str] = lambda trace_id: safe_id(key, trace_id)  # noqa: E731 - one line, used as a value
    parts = read_parts(unit, lake, stored_id, only)
    stored = stored_traces(lake, [stored_id(trace_id) for trace_id in parts.trace_ids])
    return Settling(config, key, unit.id, erased_users(lake), stored).settle(parts)


def _column(table: pa.Table, name: str) -> set[str]:
    return set(table.column(name).to_pylist())


def erased_users(lake: Lake) -> set[str]:
    """Hashes of users whose data was erased on demand."""
    return _column(lake.scan("erasures", ("user_hash",)), "user_hash")


def drop_erased(lake: Lake, batches: tuple[str, ...], run_id: str) -> set[str]:
    """Delete the committed rows of users erased meanwhile; return their trace ids.

    Erasure records the user before it deletes, and a commit writes before it looks: of two that overlap, the later
    one sees the work of the earlier one.
    """
    erased = erased_users(lake)
    if not erased:
        return set()
    ids = _column(lake.scan("traces", ("trace_id", "user_hash"), {"ingest_batch": batches, "user_hash": erased}), "trace_id")
    if ids:
        lake.delete_for_good("traces", {"ingest_batch": batches, "user_hash": erased}, run_id=run_id)
        lake.delete_for_good("generations", {"ingest_batch": batches, "trace_id": ids}, run_id=run_id)
    return ids


def finished_units(lake: Lake) -> dict[str, Counts]:
    """Counts of every committed unit, by unit id."""
    return {record.payload["unit"]: Counts(**record.payload["counts"]) for record in lake.run_records(UNIT_STAGE)}
