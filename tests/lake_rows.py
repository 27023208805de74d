"""Rows of traces with the model call that was their answer, as the commit writes them."""

from __future__ import annotations

import pyarrow as pa


def split_row(row):
    """(row of `traces`, row of `generations`) from a trace's row that also has `messages_json`."""
    trace = {name: value for name, value in row.items() if name != "messages_json"}
    revision = trace.get("content_hash") or "r"
    trace |= {"revision": revision, "answer_span_id": "s", "answer_source": "main-path", "generations": 1}
    call = {name: trace[name] for name in ("trace_id", "date", "model", "consent")}
    call |= {"span_id": "s", "call_index": 0, "revision": revision, "is_answer": True, "messages_json": row.get("messages_json", "[]")}
    return trace, call


def put_traces(lake, rows, batch="b", run_id="t"):
    """Write rows of one batch into both tables; the reference of `traces`."""
    traces, calls = zip(*(split_row(row) for row in rows), strict=True)
    without = [{name: value for name, value in row.items() if name != "ingest_batch"} for row in traces]
    lake.replace_batch("generations", pa.Table.from_pylist(list(calls)), "ingest_batch", batch, run_id=run_id)
    return lake.replace_batch("traces", pa.Table.from_pylist(without), "ingest_batch", batch, run_id=run_id)
