"""Reader of Langfuse export rows (observations, legacy traces, scores) into spans and scores.

Exports write snake_case columns, the API camelCase fields: it reads both. A row becomes a span
whose attributes carry the names that Langfuse's own OTLP attributes have, so that assembly knows
one set of names.

Source: Langfuse server v4 blob storage export and public API v2/v3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from steps.chat.span import Record, Score, Span, Unreadable

FEEDBACK_NAMES = frozenset(
    {"user_feedback", "user-feedback", "userfeedback", "feedback", "thumbs", "user_thumbs", "user_rating", "thumbs_up"}
)
_UP = frozenset({"up", "positive", "good", "true", "yes", "thumbs_up", "thumbs-up", "like", "1"})
_DOWN = frozenset({"down", "negative", "bad", "false", "no", "thumbs_down", "thumbs-down", "dislike", "0"})
_CAMEL = {
    "trace_id": "traceId",
    "start_time": "startTime",
    "end_time": "endTime",
    "parent_observation_id": "parentObservationId",
    "user_id": "userId",
    "session_id": "sessionId",
    "provided_model_name": "model",
    "usage_details": "usageDetails",
    "trace_name": "traceName",
    "data_type": "dataType",
    "string_value": "stringValue",
    "status_message": "statusMessage",
}


def parse_feedback(value: Any, label: Any = None) -> float | None:
    """A verdict as 0-1; numbers outside are cut, known words count, anything else is None."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)):
        return min(1.0, max(0.0, float(value))) if value == value else None
    for word in (value, label):
        text = str(word).strip().casefold() if isinstance(word, str) else ""
        if text in _UP:
            return 1.0
        if text in _DOWN:
            return 0.0
    return None


def as_nanoseconds(value: Any) -> int:
    """A Langfuse time (text without a zone means UTC, or a datetime) as Unix nanoseconds; 0 when absent.

    Raises:
        ValueError: the text is no time.
    """
    if value is None or value == "":
        return 0
    if isinstance(value, (int, float)):
        return int(value * 1_000_000)
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000


def _field(row: dict[str, Any], name: str) -> Any:
    value = row.get(name)
    if value is None and name in _CAMEL:
        value = row.get(_CAMEL[name])
    return value


def as_mapping(value: Any) -> dict[str, Any]:
    """A map column: an object, its JSON text, or Parquet's list of pairs; {} otherwise."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    if isinstance(value, list):
        pairs = [(item.get("key"), item.get("value")) if isinstance(item, dict) else item for item in value]
        value = {pair[0]: pair[1] for pair in pairs if isinstance(pair, (tuple, list)) and len(pair) == 2}
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the row under the names of Langfuse's OTLP attributes."""
    named = {
        "langfuse.observation.type": str(_field(row, "type") or "").lower(),
        "langfuse.observation.input": _field(row, "input"),
        "langfuse.observation.output": _field(row, "output"),
        "langfuse.observation.model.name": _field(row, "provided_model_name"),
        "langfuse.observation.usage_details": as_mapping(_field(row, "usage_details")),
        "langfuse.user.id": _field(row, "user_id"),
        "langfuse.session.id": _field(row, "session_id"),
        "langfuse.environment": _field(row, "environment"),
        "langfuse.trace.tags": _field(row, "tags"),
    }
    attributes = {key: value for key, value in named.items() if value not in (None, "", [], {})}
    for key, value in as_mapping(row.get("metadata")).items():
        if key == "attributes":  # span attributes that Langfuse received over OTLP
            for name, inner in as_mapping(value).items():
                attributes.setdefault(name, inner)
        elif key not in ("resourceAttributes", "scope"):
            attributes[f"langfuse.trace.metadata.{key}"] = value
    return attributes


def _score(row: dict[str, Any], uri: str, offset: int) -> Iterator[Record]:
    subject = as_mapping(row.get("subject"))
    trace_id = _field(row, "trace_id") or subject.get("traceId") or (subject.get("id") if subject.get("kind") == "trace" else "")
    if str(row.get("name") or "").strip().casefold() not in FEEDBACK_NAMES:
        return
    value = parse_feedback(row.get("value"), _field(row, "string_value"))
    if not isinstance(trace_id, str) or not trace_id:
        yield Unreadable(uri, offset, "score-without-trace-id")
    elif value is None:
        yield Unreadable(uri, offset, "score-without-value")
    else:
        yield Score(trace_id, value, as_nanoseconds(row.get("timestamp")), uri, offset)


def _observation(row: dict[str, Any], trace_id: str, span_id: str, uri: str, offset: int) -> Span:
    start = as_nanoseconds(_field(row, "start_time") or row.get("timestamp"))
    end = as_nanoseconds(_field(row, "end_time"))
    latency = row.get("latency")
    if not end and start and isinstance(latency, (int, float)):
        end = start + int(latency * 1e9)
    metadata = as_mapping(row.get("metadata"))
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=str(_field(row, "parent_observation_id") or ""),
        name=str(row.get("name") or ""),
        start_ns=start,
        end_ns=end,
        attributes=_attributes(row),
        resource=as_mapping(metadata.get("resourceAttributes")),
        error=str(row.get("level") or "").upper() == "ERROR",
        source="langfuse",
        uri=uri,
        offset=offset,
    )


def records_of(row: dict[str, Any], uri: str, offset: int, wanted: Callable[[str], bool]) -> Iterator[Record]:
    """Yield one export row as a span, a score, or an `Unreadable` for a row of neither kind."""
    try:
        if "name" in row and ("data_type" in row or "dataType" in row) and "value" in row:
            for record in _score(row, uri, offset):
                if not isinstance(record, Score) or wanted(record.trace_id):
                    yield record
            return
        own_id, trace_id = row.get("id"), _field(row, "trace_id")
        if trace_id is None and isinstance(own_id, str) and "timestamp" in row:
            trace_id, own_id = own_id, ""
        if not isinstance(trace_id, str) or not isinstance(own_id, str):
            yield Unreadable(uri, offset, "unknown-record")
        elif not trace_id.strip() or len(trace_id) > 256:
            yield Unreadable(uri, offset, "bad-trace-id")
        elif wanted(trace_id):
            yield _observation(row, trace_id, own_id, uri, offset)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError):
        yield Unreadable(uri, offset, "malformed-row")
