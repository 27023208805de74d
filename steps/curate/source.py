"""Reading what may be trained on: consented, well-ended traces joined with their scores."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from steps.contract.errors import DataError
from steps.contract.refs import TableRef
from steps.curate.pairs import ScoredTrace
from steps.store.lake_rows import Window, in_window

if TYPE_CHECKING:
    from steps.store.lake import Lake

_TRACE_COLUMNS = (
    *("trace_id", "prompt_key", "content_hash", "revision", "question", "contexts_json", "answer", "feedback"),
    *("model", "model_version", "finish_reason", "problems"),
)
_CALL_COLUMNS = ("trace_id", "revision", "messages_json", "tools_json")
_CHUNK_ROWS = 4096
# A user who turned an answer down has spoken: it is no example of a good one.
REFUSED_FEEDBACK = 0.25
# Notes on a call that do not bar its text from training.
HARMLESS = frozenset({"tool-call-id-repaired", "truncated"})


def scored_traces(
    lake: Lake,
    traces: TableRef,
    generations: TableRef,
    labels: TableRef,
    policy_version: str,
    excluded: Counter[str],
    window: Window = (None, None),
) -> Iterator[ScoredTrace]:
    """Yield trainable traces with the score of one reward policy, day by day.

    Only rows with consent `train` and status `ok` are read at all, and none whose user withdrew since. A label of other
    content than the trace's (the trace changed after it was scored) counts as stale.

    Args:
        lake: where the tables are.
        traces: snapshot to read.
        generations: snapshot with the traces' model calls.
        labels: snapshot to read.
        policy_version: whose scores.
        excluded: receives the counts of traces left out, by reason.
        window: first and last day that are read.

    Raises:
        DataError: a row's JSON is broken or a score is not within 0-1.
    """
    scores = _scores(lake, labels, policy_version)
    where = in_window({"consent": "train", "status": "ok"}, window)
    excluded.update(empty=0, unlabelled=0, stale_label=0, withdrawn=0, unfit=0)
    refused = refused_traces(lake)
    for day in sorted(set(lake.scan(traces, ("date",), where=where).column("date").to_pylist())):
        own_day = {"consent": "train", "date": day.isoformat()}
        calls = {
            (row["trace_id"], row["revision"]): row
            for row in lake.scan(generations, _CALL_COLUMNS, where={**own_day, "is_answer": True}).to_pylist()
        }
        rows = lake.scan(traces, _TRACE_COLUMNS, where={**own_day, "status": "ok"})
        for batch in rows.to_batches(max_chunksize=_CHUNK_ROWS):
            for row in batch.to_pylist():
                label, call = scores.get(row["trace_id"]), calls.get((row["trace_id"], row["revision"]))
                reason = _refusal(row, label, call, refused)
                if reason:
                    excluded[reason] += 1
                elif label is not None and call is not None:
                    yield _trace(row, call, label[0])


def _refusal(row: dict[str, Any], label: tuple[float, str] | None, call: dict[str, Any] | None, refused: set[str]) -> str:
    """Why a trace is left out; "" when it is not."""
    if row["trace_id"] in refused:
        return "withdrawn"
    if not (row["answer"] or "").strip() or not row["question"] or not row["prompt_key"] or call is None:
        return "empty"
    if set(row["problems"] or ()) - HARMLESS:
        return "unfit"
    if label is None:
        return "unlabelled"
    return "stale_label" if label[1] != row["content_hash"] else ""


def refused_traces(lake: Lake) -> set[str]:
    """Traces of which some delivery refused, whatever their row says by now."""
    import pyarrow.compute as pc

    rows = lake.scan("claims", ("trace_id", "consent"))
    return set(rows.filter(pc.match_substring_regex(rows.column("consent"), r"\b(none|unknown)\b")).column("trace_id").to_pylist())


def _scores(lake: Lake, labels: TableRef, policy_version: str) -> dict[str, tuple[float, str]]:
    """trace_id -> (score, content hash that was scored)."""
    table = lake.scan(labels, ("trace_id", "score", "content_hash"), where={"policy_version": policy_version, "status": "scored"})
    scores: dict[str, tuple[float, str]] = {}
    for trace_id, score, content in zip(*(table.column(name).to_pylist() for name in ("trace_id", "score", "content_hash")), strict=True):
        if score is None:
            continue
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise DataError(f"{labels}: the score of trace {trace_id} is {score}, outside 0-1: label it again")
        scores[trace_id] = (score, content)
    return scores


def _trace(row: dict[str, Any], call: dict[str, Any], score: float) -> ScoredTrace:
    try:
        messages, tools = json.loads(call["messages_json"] or "[]"), json.loads(call["tools_json"] or "[]")
        contexts = json.loads(row["contexts_json"] or "[]")
    except ValueError:
        raise DataError(f"trace {row['trace_id']}: a column is not JSON: ingest it again") from None
    is_refused = row["feedback"] is not None and row["feedback"] <= REFUSED_FEEDBACK
    return ScoredTrace(
        trace_id=row["trace_id"],
        prompt_key=row["prompt_key"],
        question=row["question"],
        messages=tuple(messages),
        contexts=tuple(contexts),
        answer=row["answer"],
        score=score,
        model=row["model"],
        model_version=row["model_version"] or "",
        tools=tuple(tools),
        may_be_chosen=not is_refused and row["finish_reason"] not in ("length", "content_filter", "error"),
    )
