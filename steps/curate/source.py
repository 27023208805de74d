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
    *("trace_id", "prompt_key", "content_hash", "question", "messages_json", "contexts_json", "answer"),
    *("model", "model_version", "consent", "status"),
)
_CHUNK_ROWS = 4096


def scored_traces(
    lake: Lake,
    traces: TableRef,
    labels: TableRef,
    policy_version: str,
    excluded: Counter[str],
    window: Window = (None, None),
) -> Iterator[ScoredTrace]:
    """Yield trainable traces with the score of one reward policy.

    Only rows with consent `train` and status `ok` are read at all. A label of other
    content than the trace's (the trace changed after it was scored) counts as stale.

    Args:
        lake: where both tables are.
        traces: snapshot to read.
        labels: snapshot to read.
        policy_version: whose scores.
        excluded: receives the counts of traces left out, by reason.
        window: first and last day that are read.

    Raises:
        DataError: a row's JSON is broken or a score is not within 0-1.
    """
    scores = _scores(lake, labels, policy_version)
    rows = lake.scan(traces, _TRACE_COLUMNS, where=in_window({"consent": "train", "status": "ok"}, window))
    excluded.update(empty=0, unlabelled=0, stale_label=0)
    for batch in rows.to_batches(max_chunksize=_CHUNK_ROWS):
        for row in batch.to_pylist():
            label = scores.get(row["trace_id"])
            if not (row["answer"] or "").strip() or not row["question"] or not row["prompt_key"]:
                excluded["empty"] += 1
            elif label is None:
                excluded["unlabelled"] += 1
            elif label[1] != row["content_hash"]:
                excluded["stale_label"] += 1
            else:
                yield _trace(row, label[0])


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


def _trace(row: dict[str, Any], score: float) -> ScoredTrace:
    try:
        messages, contexts = json.loads(row["messages_json"] or "[]"), json.loads(row["contexts_json"] or "[]")
    except ValueError:
        raise DataError(f"trace {row['trace_id']}: messages_json or contexts_json is not JSON: ingest it again") from None
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
    )
