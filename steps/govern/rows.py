"""Rows of the lake for traces, ledger entries and unreadable places."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from steps.chat.claims import Claims, is_withdrawn
from steps.chat.span import Score, Unreadable
from steps.chat.trace import Trace, model_partition
from steps.chat.values import compact_json
from steps.contract.files import canonical_json, sha256_text
from steps.govern.gates import Decision
from steps.govern.identity import keyed_hash, safe_id, safe_session, safe_value
from steps.store.schemas import TABLES, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

MAX_MODELS = 32
Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS = 4_102_444_800 * 10**9


def trace_rows(trace: Trace, masked: Iterable[Decision], key: bytes, now: datetime) -> tuple[Row, list[Row]]:
    """Row of `traces` and rows of `generations` for one governed trace.

    Ids and short values that could hold text are hashed or dropped, the user is hashed. `revision` changes with any value.
    """
    model = model_partition(safe_value(trace.model))
    answer = trace.answer_generation
    prompt = [answer.messages if answer else [], answer.tools if answer else [], trace.contexts]
    row = {
        "trace_id": safe_id(key, trace.trace_id),
        "source": trace.source,
        "ts": trace.ts,
        "date": trace.ts.date(),
        "model": model,
        "model_name": safe_value(trace.model_name),
        "model_version": safe_value(trace.model_version),
        "consent": trace.consent,
        "region": trace.region,
        "confidentiality": trace.confidentiality,
        "user_hash": keyed_hash(key, trace.user_id),
        "session_id": safe_session(key, trace.session_id),
        "question": trace.question,
        "contexts_json": canonical_json(trace.contexts),
        "answer": trace.answer,
        "answer_span_id": safe_id(key, trace.answer_span_id),
        "answer_source": trace.answer_source,
        "feedback": trace.feedback,
        "input_tokens": trace.input_tokens,
        "output_tokens": trace.output_tokens,
        "latency_ms": trace.latency_ms,
        "finish_reason": trace.finish_reason,
        "status": trace.status,
        "environment": safe_value(trace.environment),
        "pii_masked": [decision.rule.removeprefix("pii-") for decision in masked],
        "problems": answer.problems if answer else [],
        "generations": len(trace.generations),
        "content_hash": sha256_text(canonical_json([*prompt, answer.output if answer else {}])),
        "prompt_key": sha256_text(canonical_json(prompt)),
    }
    calls = [_generation_row(trace, index, row, key) for index in range(len(trace.generations))]
    revision = sha256_text(json.dumps([row, calls], default=str, sort_keys=True))[:32]
    row |= {"revision": revision, "ingested_at": now}
    return row, [call | {"revision": revision} for call in calls]


def _generation_row(trace: Trace, index: int, row: Row, key: bytes) -> Row:
    """Row of `generations` for one model call."""
    generation = trace.generations[index]
    start_us = generation.start_ns // 1000
    return {
        "trace_id": row["trace_id"],
        "span_id": safe_id(key, generation.span_id),
        "call_index": index,
        "date": row["date"],
        "model": row["model"],
        "consent": row["consent"],
        "parent_id": safe_id(key, generation.parent_id),
        "agent": safe_value(generation.agent),
        "step": safe_value(generation.step.replace(" ", "_")),
        "is_answer": bool(row["answer_source"] != "none" and generation.span_id == trace.answer_span_id),
        "messages_json": compact_json(generation.messages),
        "output_json": compact_json(generation.output),
        "tools_json": compact_json(generation.tools),
        "params_json": compact_json(generation.parameters),
        "finish_reason": generation.finish_reason,
        "model_requested": safe_value(generation.model_requested),
        "model_answered": safe_value(generation.model_answered),
        "input_tokens": generation.usage.input,
        "cached_tokens": generation.usage.cached,
        "output_tokens": generation.usage.output,
        "reasoning_tokens": generation.usage.reasoning,
        "latency_ms": generation.latency_ms,
        "started_at": _EPOCH + timedelta(microseconds=start_us) if start_us else row["ts"],
        "response_id": safe_value(generation.response_id),
        "media_json": compact_json(generation.media),
        "problems": generation.problems,
    }


def limit_models(rows: list[Row], calls: list[Row]) -> None:
    """Rename the rarest models of a batch to "other": every model is a partition, and files get small. `model_name` stays."""
    counts = Counter(row["model"] for row in rows)
    frequent = {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_MODELS]}
    for row in (*rows, *calls):
        if row["model"] not in frequent:
            row["model"] = "other"


def ledger_row(trace_id: str, decision: Decision, key: bytes, now: datetime) -> dict[str, Any]:
    """Row of `gate_ledger` for what a gate did to a trace."""
    return {
        "trace_id": safe_id(key, trace_id),
        "gate": decision.gate,
        "rule": decision.rule,
        "action": decision.action,
        "detail": safe_value(decision.detail),
        "at": now,
    }


def quarantine_row(place: Unreadable, now: datetime, trace_id: str = "") -> dict[str, Any]:
    """Row of `quarantine` for a place that could not be read, or for a trace that could not be assembled."""
    uri = re.sub(r"://[^/@]*@", "://", place.uri)
    return {"source_uri": uri, "offset": place.offset, "reason": place.reason, "trace_id": trace_id, "at": now}


def claims_row(claims: Claims, trace_id: str, now: datetime) -> Row:
    """Row of `claims` for what one delivery of a trace claimed; `consent` lists every level, the strictest decides."""
    return {
        "trace_id": trace_id,
        "consent": " ".join(claims.consents),
        "region": safe_value(claims.region),
        "confidentiality": claims.confidentiality,
        "withdrawn": is_withdrawn(claims.consents),
        "places": [place for place in claims.places if safe_value(place)],
        "at": now,
    }


def feedback_row(score: Score, verdict: float | None, key: bytes) -> Row:
    """Row of `feedback` for one score, with the verdict that it is by today's rules. Free text is not kept."""
    identity = score.score_id or sha256_text(f"{score.trace_id} {score.name} {score.at_ns} {score.number} {score.label}")[:32]
    return {
        "score_id": safe_id(key, identity),
        "trace_id": safe_id(key, score.trace_id),
        "name": safe_value(score.name) or "unnamed",
        "observation_id": safe_id(key, score.observation_id),
        "value": verdict,
        "data_type": safe_value(score.data_type),
        "number": score.number,
        "label": "" if score.data_type in ("TEXT", "CORRECTION") else safe_value(score.label),
        "source": safe_value(score.source),
        "author": keyed_hash(key, score.author),
        "at": _EPOCH + timedelta(microseconds=max(0, min(score.at_ns, _LATEST_NS)) // 1000),
    }


def to_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Arrow table of rows in the lake's types."""
    import pyarrow as pa

    schema = arrow_schema(TABLES[name])
    columns = [field.with_nullable(True) for field in schema if not rows or field.name in rows[0]]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))
