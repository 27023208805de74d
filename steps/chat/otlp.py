"""Reader of OTLP trace data (JSON) into spans.

Source: OpenTelemetry protocol 1.x, JSON encoding; collector file exporter and awss3exporter.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from steps.chat.span import Record, Span, Unreadable

STATUS_ERROR = 2
MALFORMED = (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError)


def parse_trace_id(value: Any) -> str:
    """A trace id as 32 lower-case hex digits; "" when it is none. Base64 of 16 bytes counts, too."""
    if not isinstance(value, str):
        return ""
    if len(value) == 32 and re.fullmatch(r"[0-9a-fA-F]{32}", value):
        return value.lower() if value.strip("0") else ""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return raw.hex() if len(raw) == 16 and any(raw) else ""


def attribute_value(value: Any) -> Any:
    """A JSON AnyValue as a plain Python value; None when it is empty.

    Raises:
        TypeError, ValueError, AttributeError: the value is malformed.
    """
    text = value.get("stringValue")
    if text is not None:
        return text
    for key, content in value.items():
        if key == "doubleValue":
            return float(content)
        if key in ("boolValue", "bytesValue"):
            return content
        if key == "intValue":
            return int(content)
        if key == "arrayValue":
            return [attribute_value(item) for item in content.get("values", ())]
        if key == "kvlistValue":
            return attributes_of(content.get("values", ()))
    return None


def attributes_of(pairs: Any) -> dict[str, Any]:
    """A JSON KeyValue list as a dictionary; the first of two equal keys counts."""
    result: dict[str, Any] = {}
    for pair in pairs or ():
        key = pair["key"]
        if type(key) is not str:
            raise TypeError("a key is a text")
        if key not in result:
            result[key] = attribute_value(pair.get("value") or {})
    return result


def _pick(source: dict[str, Any], camel: str, snake: str) -> Any:
    """A field by its JSON name, or by its protobuf name as some exporters write it."""
    value = source.get(camel)
    return source.get(snake) if value is None else value


def _span(raw: dict[str, Any], trace_id: str, resource: dict[str, Any], uri: str, offset: int) -> Span:
    """One JSON span.

    Raises:
        TypeError, ValueError, KeyError, AttributeError: the span is malformed.
    """
    span_id = _pick(raw, "spanId", "span_id") or ""
    parent = _pick(raw, "parentSpanId", "parent_span_id") or ""
    status = raw.get("status") or {}
    name = raw.get("name") or ""
    if not (isinstance(span_id, str) and isinstance(parent, str) and isinstance(name, str)):
        raise TypeError("span id and name are texts")
    return Span(
        trace_id=trace_id,
        span_id=span_id.lower(),
        parent_id=parent.lower() if parent.strip("0") else "",
        name=name,
        start_ns=int(_pick(raw, "startTimeUnixNano", "start_time_unix_nano") or 0),
        end_ns=int(_pick(raw, "endTimeUnixNano", "end_time_unix_nano") or 0),
        attributes=attributes_of(raw.get("attributes")),
        events=[(str(event.get("name") or ""), attributes_of(event.get("attributes"))) for event in raw.get("events") or ()],
        resource=resource,
        error=status.get("code") in (STATUS_ERROR, "STATUS_CODE_ERROR", str(STATUS_ERROR)),
        uri=uri,
        offset=offset,
    )


def _sound_pairs(pairs: Any) -> list[dict[str, Any]]:
    """The well-formed ones of a KeyValue list."""
    sound = []
    for pair in pairs if isinstance(pairs, list) else ():
        try:
            attributes_of([pair])
        except MALFORMED:
            continue
        sound.append(pair)
    return sound


def _mend(raw: dict[str, Any]) -> dict[str, Any]:
    """A malformed span without what is malformed in it: the claims among its other attributes still count."""
    mended = {**raw, "attributes": _sound_pairs(raw.get("attributes"))}
    events = raw.get("events")
    mended["events"] = [
        {"name": event.get("name"), "attributes": _sound_pairs(event.get("attributes"))}
        for event in (events if isinstance(events, list) else ())
        if isinstance(event, dict)
    ]
    if not isinstance(raw.get("status"), dict):
        mended["status"] = {}
    for camel, snake in (("startTimeUnixNano", "start_time_unix_nano"), ("endTimeUnixNano", "end_time_unix_nano")):
        try:
            mended[camel] = int(_pick(raw, camel, snake) or 0)
        except (TypeError, ValueError, OverflowError):
            mended[camel] = "0"
    return mended


def _mend_block(block: Any) -> tuple[dict[str, Any], list[Any]]:
    """Resource attributes and spans of a malformed block, as far as they can be told."""
    if not isinstance(block, dict):
        return {}, []
    resource = block.get("resource")
    scopes = _pick(block, "scopeSpans", "scope_spans")
    lists = [scope.get("spans") for scope in (scopes if isinstance(scopes, list) else ()) if isinstance(scope, dict)]
    attributes = attributes_of(_sound_pairs(resource.get("attributes") if isinstance(resource, dict) else ()))
    return attributes, [raw for spans in lists if isinstance(spans, list) for raw in spans]


def spans_of(document: dict[str, Any], uri: str, offset: int, wanted: Callable[[str], bool]) -> Iterator[Record]:
    """Yield the spans of one TracesData object, and an `Unreadable` for each malformed place."""
    blocks = _pick(document, "resourceSpans", "resource_spans")
    for block in blocks if isinstance(blocks, list) else ():
        try:
            resource = attributes_of((block.get("resource") or {}).get("attributes"))
            scopes = _pick(block, "scopeSpans", "scope_spans") or block.get("instrumentationLibrarySpans") or ()
            spans = [raw for scope in scopes for raw in scope.get("spans") or ()]
        except MALFORMED:
            yield Unreadable(uri, offset, "malformed-resource")
            resource, spans = _mend_block(block)
        for raw in spans:
            try:
                trace_id = parse_trace_id(_pick(raw, "traceId", "trace_id"))
                if not trace_id:
                    yield Unreadable(uri, offset, "bad-trace-id")
                elif wanted(trace_id):
                    yield _span(raw, trace_id, resource, uri, offset)
            except MALFORMED:
                yield from _mended_span(raw, resource, uri, offset)
    if not isinstance(blocks, list):
        yield Unreadable(uri, offset, "malformed-resource")


def _mended_span(raw: Any, resource: dict[str, Any], uri: str, offset: int) -> Iterator[Record]:
    try:
        span = _span(_mend(raw), parse_trace_id(_pick(raw, "traceId", "trace_id")), resource, uri, offset)
    except MALFORMED:
        yield Unreadable(uri, offset, "malformed-span")
        return
    yield span
    yield Unreadable(uri, offset, "malformed-attribute")
