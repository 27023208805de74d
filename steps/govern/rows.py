"""Rows of the lake for traces, ledger entries and unreadable places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from steps.chat.span import Unreadable
from steps.chat.trace import Trace, model_partition
from steps.contract.files import canonical_json, sha256_text
from steps.govern.gates import Decision
from steps.govern.identity import keyed_hash, safe_id, safe_value
from steps.store.schemas import TABLES, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

MAX_MODELS = 32


def trace_row(trace: Trace, masked: Iterable[Decision], key: bytes, now: datetime) -> dict[str, Any]:
    """Row of `traces` for one governed trace. Ids and short values that could hold text are hashed or dropped, the user is hashed."""
    model = model_partition(safe_value(trace.model))
    return {
        "trace_id": safe_id(key, trace.trace_id),
        "source": trace.source,
        "ts": trace.ts,
        "date": trace.ts.date(),
        "model": model,
        "model_version": safe_value(trace.model_version),
        "consent": trace.consent,
        "region": trace.region,
        "confidentiality": trace.confidentiality,
        "user_hash": keyed_hash(key, trace.user_id),
        "session_id": safe_id(key, trace.session_id),
        "question": trace.question,
        "messages_json": canonical_json(trace.messages),
        "contexts_json": canonical_json(trace.contexts),
        "answer": trace.answer,
        "feedback": trace.feedback,
        "input_tokens": trace.input_tokens,
        "output_tokens": trace.output_tokens,
        "latency_ms": trace.latency_ms,
        "finish_reason": safe_value(trace.finish_reason),
        "status": trace.status,
        "environment": safe_value(trace.environment),
        "pii_masked": [decision.rule.removeprefix("pii-") for decision in masked],
        "content_hash": sha256_text(canonical_json([trace.messages, trace.contexts, trace.answer])),
        "prompt_key": sha256_text(canonical_json([trace.messages, trace.contexts])),
        "ingested_at": now,
    }


def limit_models(rows: list[dict[str, Any]]) -> None:
    """Rename the rarest models of a batch to "other": every model is a partition, and files get small."""
    counts = Counter(row["model"] for row in rows)
    frequent = {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_MODELS]}
    for row in rows:
        if row["model"] not in frequent:
            row["model"] = "other"


def ledger_row(trace_id: str, decision: Decision, key: bytes, now: datetime) -> dict[str, Any]:
    """Row of `gate_ledger` for what a gate did to a trace."""
    return {"trace_id": safe_id(key, trace_id), "gate": decision.gate, "rule": decision.rule, "action": decision.action, "at": now}


def quarantine_row(place: Unreadable, now: datetime) -> dict[str, Any]:
    """Row of `quarantine` for a place that could not be read."""
    return {"source_uri": re.sub(r"://[^/@]*@", "://", place.uri), "offset": place.offset, "reason": place.reason, "at": now}


def to_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Arrow table of rows in the lake's types."""
    import pyarrow as pa

    schema = arrow_schema(TABLES[name])
    columns = [field.with_nullable(True) for field in schema if not rows or field.name in rows[0]]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))
