"""Reader of Langfuse export rows and API objects (observations, traces, scores) into spans and scores.

Source: Langfuse server 4.16, blob storage export and public API v1-v3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from steps.chat.langfuse_rows import as_nanoseconds, as_short_text, read_field, span_of
from steps.chat.span import Record, Score, Unreadable
from steps.chat.values import as_number, as_object

MAX_ID_CHARACTERS = 256
# The number of these is an index or 0: it says nothing.
_LABELLED = frozenset({"CATEGORICAL", "TEXT", "CORRECTION"})


def _is_score(row: dict[str, Any]) -> bool:
    has_type = "data_type" in row or "dataType" in row
    return has_type and any(key in row for key in ("value", "string_value", "stringValue"))


def _score(row: dict[str, Any], uri: str, offset: int) -> Score | Unreadable:
    subject = as_object(read_field(row, "subject"))
    kind, subject_id = subject.get("kind"), as_short_text(subject.get("id"))
    trace_id = read_field(row, "trace_id") or subject.get("traceId") or (subject_id if kind == "trace" else "")
    session_id = as_short_text(read_field(row, "session_id")) or (subject_id if kind == "session" else "")
    if not isinstance(trace_id, str) or len(trace_id) > MAX_ID_CHARACTERS or not (trace_id.strip() or session_id):
        return Unreadable(uri, offset, "score-without-trace-id")
    person = as_object(read_field(row, "annotation"))
    details = as_object(read_field(row, "details"))
    data_type = as_short_text(read_field(row, "data_type")).strip().upper()
    value = read_field(row, "value")
    label = as_short_text(read_field(row, "string_value")) or as_short_text(read_field(row, "long_string_value"))
    if not label and isinstance(value, str) and (data_type in _LABELLED or as_number(value) is None):
        label = value
    number = None if data_type in _LABELLED else as_number(value)
    if number is None and not label:
        return Unreadable(uri, offset, "score-without-value")
    name = as_short_text(read_field(row, "name"))
    return Score(
        trace_id=trace_id,
        at_ns=as_nanoseconds(read_field(row, "timestamp")),
        uri=uri,
        offset=offset,
        score_id=as_short_text(read_field(row, "id")),
        name=name,
        data_type=data_type,
        number=number,
        label=label,
        author=as_short_text(read_field(row, "author_user_id") or person.get("authorUserId")),
        source=as_short_text(read_field(row, "source")).upper(),
        observation_id=as_short_text(read_field(row, "observation_id")) or (subject_id if kind == "observation" else ""),
        session_id=session_id,
        has_comment=bool(read_field(row, "comment") or details.get("comment")),
    )


def _rows(row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield a row and, of a trace as the API and the UI give it, those inside it, each with the trace id of the whole.

    Lists of ids, which stand in lists of traces, hold nothing.
    """
    trace = row.get("trace")
    if isinstance(trace, dict) and isinstance(row.get("observations"), list):
        row = {**row, **trace, "observations": row["observations"], "scores": row.get("scores") or trace.get("scores")}
    yield row, ""
    own_id = row.get("id")
    for name in ("observations", "scores") if isinstance(own_id, str) else ():
        inner = row.get(name)
        for item in inner if isinstance(inner, list) else ():
            if isinstance(item, dict):
                yield item, str(own_id)


def _record(row: dict[str, Any], outer_id: str, uri: str, offset: int, wanted: Callable[[str], bool]) -> Record | None:
    if _is_score(row):
        score = _score(row if not outer_id or read_field(row, "trace_id") else {**row, "traceId": outer_id}, uri, offset)
        return score if isinstance(score, Unreadable) or wanted(score.trace_id or score.session_id) else None
    own_id, trace_id = read_field(row, "id"), read_field(row, "trace_id") or outer_id or None
    if trace_id is None and isinstance(own_id, str) and ("timestamp" in row or "observations" in row):
        trace_id, own_id = own_id, ""
    if trace_id is None or own_id is None:
        return Unreadable(uri, offset, "unknown-record")
    if not isinstance(trace_id, str) or not trace_id.strip() or len(trace_id) > MAX_ID_CHARACTERS:
        return Unreadable(uri, offset, "bad-trace-id")
    if not isinstance(own_id, str) or len(own_id) > MAX_ID_CHARACTERS:
        return Unreadable(uri, offset, "bad-span-id")
    return span_of(row, trace_id, own_id, uri, offset) if wanted(trace_id) else None


def records_of(row: dict[str, Any], uri: str, offset: int, wanted: Callable[[str], bool]) -> Iterator[Record]:
    """Yield the records of one row or API object: spans, scores, an `Unreadable` for what is neither."""
    for item, outer_id in _rows(row):
        try:
            record = _record(item, outer_id, uri, offset, wanted)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError):
            record = Unreadable(uri, offset, "malformed-row")
        if record is not None:
            yield record
