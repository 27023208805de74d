"""Rows of Langfuse's observations and traces as spans under the names that Langfuse's own OTLP attributes have.

Exports write snake_case columns, the API camelCase fields: both are read. The module is total: a field of any shape
gives a span without that field, never an exception, so that the claims of the row still count.

Source: Langfuse server 4.16, blob storage export and public API v1-v3.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from steps.chat.span import Span
from steps.chat.values import as_number, as_object

_CAMEL_ALSO = {
    "id": ("span_id", "spanId"),
    "parent_observation_id": ("parent_span_id", "parentSpanId"),
    "provided_model_name": ("model",),
    "is_root_observation": ("is_app_root", "isAppRoot"),
}
_TEXTS = {
    "level": "langfuse.observation.level",
    "status_message": "langfuse.observation.status_message",
    "provided_model_name": "langfuse.observation.model.name",
    "prompt_name": "langfuse.observation.prompt.name",
    "completion_start_time": "langfuse.observation.completion_start_time",
    "trace_name": "langfuse.trace.name",
    "user_id": "langfuse.user.id",
    "session_id": "langfuse.session.id",
    "environment": "langfuse.environment",
    "release": "langfuse.release",
    "version": "langfuse.version",
    "experiment_id": "langfuse.experiment.id",
}
_VALUES = {
    "input": "langfuse.observation.input",
    "output": "langfuse.observation.output",
    "model_parameters": "langfuse.observation.model.parameters",
    "tool_definitions": "langfuse.observation.tool_definitions",
    "tool_calls": "langfuse.observation.tool_calls",
    "tool_call_names": "langfuse.observation.tool_call_names",
    "prompt_version": "langfuse.observation.prompt.version",
    "tags": "langfuse.trace.tags",
    "is_root_observation": "langfuse.internal.is_app_root",
}
_FLAT_DEPTH = 6
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_NAMES = {
    name: (name, _camel(name), *_CAMEL_ALSO.get(name, ()))
    for name in (
        *_TEXTS,
        *_VALUES,
        *("id", "trace_id", "type", "name", "metadata", "start_time", "end_time", "latency", "timestamp", "parent_observation_id"),
        *("usage_details", "usage", "data_type", "string_value", "long_string_value", "value", "author_user_id", "observation_id"),
        *("source", "comment", "subject", "annotation", "details", "observations", "scores", "trace"),
    )
}
FIELD_NAMES = frozenset(spelling for spellings in _NAMES.values() for spelling in spellings)


def read_field(row: dict[str, Any], name: str) -> Any:
    """A column of a row under any of its spellings; None when it has none."""
    for spelling in _NAMES[name]:
        value = row.get(spelling)
        if value is not None:
            return value
    return None


def as_short_text(value: Any) -> str:
    """A text, or a number as text; "" for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18 else ""


def as_nanoseconds(value: Any) -> int:
    """A Langfuse time as Unix nanoseconds: text (without a zone it means UTC), datetime, or a number; 0 when it is no time.

    A number is seconds, milliseconds, microseconds or nanoseconds, as its size tells.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip()[:40])
        except ValueError:
            return 0
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e20 < value < 1e20:
        return 0
    size = abs(value)
    return int(value * (1 if size >= 1e17 else 1_000 if size >= 1e14 else 1_000_000 if size >= 1e11 else 1_000_000_000))


def _flat(values: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every entry under its dotted key; an object comes as a whole and by its entries."""
    for key, value in values.items():
        yield prefix + str(key), value
        if isinstance(value, dict) and depth < _FLAT_DEPTH:
            yield from _flat(value, f"{prefix}{key}.", depth + 1)


def _usage(row: dict[str, Any]) -> dict[str, int]:
    """Token counts by kind: of `usage_details`, else of the older fields."""
    details = as_object(read_field(row, "usage_details"))
    if not details:
        older = as_object(read_field(row, "usage"))
        details = {
            "input": older.get("input", row.get("promptTokens", row.get("prompt_tokens"))),
            "output": older.get("output", row.get("completionTokens", row.get("completion_tokens"))),
        }
    numbers = {key: as_number(value) for key, value in details.items()}
    return {key: int(number) for key, number in numbers.items() if number is not None}


def _attributes(row: dict[str, Any], metadata_prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes of the span and of its resource."""
    attributes: dict[str, Any] = {}
    kind = as_short_text(read_field(row, "type")).strip().lower()
    if kind:
        attributes["langfuse.observation.type"] = kind
    for name, key in _TEXTS.items():
        if text := as_short_text(read_field(row, name)):
            attributes[key] = text
    for name, key in _VALUES.items():
        value = read_field(row, name)
        if value not in _EMPTY:
            attributes[key] = value
    if usage := _usage(row):
        attributes["langfuse.observation.usage_details"] = usage
    resource: dict[str, Any] = {}
    metadata = read_field(row, "metadata")
    entries = as_object(metadata)
    if not entries and metadata not in _EMPTY:
        attributes[metadata_prefix.rstrip(".")] = metadata
    received: dict[str, Any] = {}
    for key, value in entries.items():
        # What Langfuse received over OTLP stands here: whole in older versions, under dotted keys since version 4.
        if key == "attributes":
            received |= as_object(value)
        elif key == "resourceAttributes":
            resource |= as_object(value)
        elif key.startswith("attributes."):
            received[key.removeprefix("attributes.")] = value
        elif key.startswith("resourceAttributes."):
            resource[key.removeprefix("resourceAttributes.")] = value
        elif key != "scope" and not key.startswith("scope."):
            attributes.update(_flat({key: value}, metadata_prefix))
    for key, value in received.items():
        attributes.setdefault(key, value)
    return attributes, resource


def span_of(row: dict[str, Any], trace_id: str, span_id: str, uri: str, offset: int) -> Span:
    """One observation, or with an empty span id a trace row."""
    start = as_nanoseconds(read_field(row, "start_time") or read_field(row, "timestamp"))
    end = as_nanoseconds(read_field(row, "end_time"))
    latency = as_number(read_field(row, "latency"))
    if not end and start and latency is not None and 0 <= latency < 1e9:
        end = start + int(latency * 1e9)
    attributes, resource = _attributes(row, "langfuse.observation.metadata." if span_id else "langfuse.trace.metadata.")
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=as_short_text(read_field(row, "parent_observation_id")),
        name=as_short_text(read_field(row, "name")),
        start_ns=start or end,
        end_ns=end,
        attributes=attributes,
        resource=resource,
        error=as_short_text(read_field(row, "level")).upper() == "ERROR",
        source="langfuse",
        uri=uri,
        offset=offset,
    )
