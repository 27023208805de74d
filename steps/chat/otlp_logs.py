"""Reader of OTLP log data: the log events in which instrumentations put what was said, when it is no event of the span.

Source: OpenTelemetry protocol 1.x; semantic conventions for generative AI, events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from steps.chat.otlp import MALFORMED, attribute_value, attributes_of, parse_trace_id
from steps.chat.span import LogEvent, Unreadable

EVENT_PREFIX = "gen_ai."


def log_event_of(
    ids: tuple[str, str], name: str, attributes: dict[str, Any], body: Any, at_ns: int, resource: dict[str, Any], uri: str, offset: int
) -> LogEvent | Unreadable | None:
    """A log event of generative AI; None for any other log record."""
    name = name or str(attributes.get("event.name") or "")
    if not name.startswith(EVENT_PREFIX):
        return None
    trace_id, span_id = ids
    if not trace_id:
        return Unreadable(uri, offset, "log-without-trace-id")
    return LogEvent(trace_id, span_id, name, attributes, body, at_ns, resource, uri, offset)


def _event(raw: dict[str, Any], resource: dict[str, Any], uri: str, offset: int) -> LogEvent | Unreadable | None:
    span_id = raw.get("spanId") or raw.get("span_id") or ""
    return log_event_of(
        (parse_trace_id(raw.get("traceId") or raw.get("trace_id")), span_id.lower() if isinstance(span_id, str) else ""),
        str(raw.get("eventName") or raw.get("event_name") or ""),
        attributes_of(raw.get("attributes")),
        attribute_value(raw.get("body") or {}),
        int(raw.get("timeUnixNano") or raw.get("observedTimeUnixNano") or 0),
        resource,
        uri,
        offset,
    )


def log_events_of(document: dict[str, Any], uri: str, offset: int, wanted: Callable[[str], bool]) -> Iterator[LogEvent | Unreadable]:
    """Yield the events of one LogsData object; one that holds none is another signal."""
    has_events = False
    blocks = document.get("resourceLogs") or document.get("resource_logs")
    for block in blocks if isinstance(blocks, list) else ():
        try:
            resource = attributes_of((block.get("resource") or {}).get("attributes"))
            scopes = block.get("scopeLogs") or block.get("scope_logs") or ()
            records = [raw for scope in scopes for raw in scope.get("logRecords") or scope.get("log_records") or ()]
        except MALFORMED:
            yield Unreadable(uri, offset, "malformed-resource")
            continue
        for raw in records:
            try:
                event = _event(raw, resource, uri, offset)
            except MALFORMED:
                event = Unreadable(uri, offset, "malformed-log")
            if event is not None:
                has_events = True
                if isinstance(event, Unreadable) or wanted(event.trace_id):
                    yield event
    if not has_events:
        yield Unreadable(uri, offset, "other-signal")
