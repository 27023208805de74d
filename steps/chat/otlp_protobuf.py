"""Reader of OTLP protobuf messages (traces, logs) into spans and log events.

It walks the outer fields itself and parses span by span: a message cut short keeps what stands before the cut, one
broken span costs only itself, and a message of millions of empty spans takes no memory.

Source: OpenTelemetry protocol 1.x; protobuf wire format.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

from steps.chat.otlp import STATUS_ERROR, parse_trace_id
from steps.chat.otlp_logs import log_event_of
from steps.chat.span import Record, Span, Unreadable

_LENGTH_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}
_BLOCK, _RESOURCE, _SCOPE, _ITEM = 0x0A, 0x0A, 0x12, 0x12
# Times of a log record; start and end of a span; gauge, sum, histograms and summary of a metric.
_LOG_TAGS = frozenset({0x09, 0x59})
_SPAN_TAGS = frozenset({0x39, 0x41})
_METRIC_TAGS = frozenset({0x2A, 0x3A, 0x4A, 0x52, 0x5A})
_TRACE_ID_TAG = b"\x0a\x10"
_PRINTABLE = re.compile(rb"[ -~]+")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A variable-length integer and the position behind it.

    Raises:
        ValueError: it is cut short or too long.
    """
    result = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
    raise ValueError("broken varint")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview, bool]]:
    """Yield the fields of a message as (tag, content of a length-delimited one, whether it is all there).

    Raises:
        ValueError: it is no message.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _LENGTH_DELIMITED:
            length, at = _varint(data, at)
            yield tag, data[at : at + length], at + length <= len(data)
            at += length
            continue
        if wire == 0:
            _, at = _varint(data, at)
        elif wire in _FIXED_BYTES:
            at += _FIXED_BYTES[wire]
        else:
            raise ValueError("unknown wire type")
        yield tag, data[:0], at <= len(data)


def _value(value: Any) -> Any:
    """A protobuf AnyValue as a plain Python value; bytes as base64, as JSON has them."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    return getattr(value, kind) if kind else None


def _attributes(pairs: Any) -> dict[str, Any]:
    """A KeyValue list as a dictionary; the first of two equal keys counts."""
    result: dict[str, Any] = {}
    for pair in pairs:
        if pair.key not in result:
            result[pair.key] = _value(pair.value)
    return result


def _span(raw: Any, trace_id: str, resource: dict[str, Any], uri: str, offset: int) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=raw.span_id.hex(),
        parent_id=raw.parent_span_id.hex() if any(raw.parent_span_id) else "",
        name=raw.name,
        start_ns=raw.start_time_unix_nano,
        end_ns=raw.end_time_unix_nano,
        attributes=_attributes(raw.attributes),
        events=[(event.name, _attributes(event.attributes)) for event in raw.events],
        resource=resource,
        error=raw.status.code == STATUS_ERROR,
        uri=uri,
        offset=offset,
    )


def _log(raw: Any, resource: dict[str, Any], uri: str, offset: int) -> Record | None:
    ids = (parse_trace_id(raw.trace_id.hex()), raw.span_id.hex())
    at_ns = raw.time_unix_nano or raw.observed_time_unix_nano
    return log_event_of(ids, raw.event_name, _attributes(raw.attributes), _value(raw.body), at_ns, resource, uri, offset)


def _signal(item: memoryview) -> str:
    """What the items of a scope are, by the fields of one: times are numbers in spans and logs, and messages in metrics."""
    try:
        tags = {tag for tag, _, _ in _fields(item)}
    except ValueError:
        return "traces"
    if tags & _LOG_TAGS:
        return "logs"
    has_id = bytes(item[:2]) == _TRACE_ID_TAG and not _PRINTABLE.fullmatch(bytes(item[2:18]))
    return "metrics" if tags & _METRIC_TAGS and not tags & _SPAN_TAGS and not has_id else "traces"


def _items(data: memoryview) -> Iterator[tuple[memoryview, memoryview, bool]]:
    """Yield (resource, item, whether it is all there) of every scope of every block.

    Raises:
        ValueError: the message is broken, behind what came before.
    """
    for number, block, block_is_whole in _fields(data):
        if number != _BLOCK:
            continue
        resource = memoryview(b"")
        scopes = []
        for name, content, is_whole in _fields(block):
            if name == _RESOURCE:
                resource = content
            elif name == _SCOPE:
                scopes.append((content, is_whole))
        for scope, scope_is_whole in scopes:
            for name, content, is_whole in _fields(scope):
                if name == _ITEM:
                    yield resource, content, is_whole
            if not scope_is_whole:
                raise ValueError("cut short")
        if not block_is_whole:
            raise ValueError("cut short")


def records_of_protobuf(data: bytes, uri: str, wanted: Callable[[str], bool], offset: int | None = None) -> Iterator[Record]:
    """Yield the records of one export message (TracesData and LogsData have the same bytes).

    Args:
        data: the message.
        uri: the file it came from.
        wanted: tells by trace id which records to build.
        offset: number of the message in the file; None for the only one, whose spans are numbered.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

    number, signal, has_events = 0, "", False
    resources: dict[bytes, dict[str, Any]] = {}
    try:
        for resource_bytes, item, is_whole in _items(memoryview(data)):
            number += 1
            place = number if offset is None else offset
            signal = signal or _signal(item)
            if signal == "metrics":
                break
            trace_id = item[2:18].hex() if bytes(item[:2]) == _TRACE_ID_TAG and len(item) >= 18 else ""
            if trace_id and signal == "traces" and not wanted(trace_id):
                continue
            try:
                packed = bytes(resource_bytes)
                if packed not in resources:
                    resources.clear()
                    resources[packed] = _attributes(Resource.FromString(packed).attributes)
                resource = resources[packed]
                if not is_whole:
                    raise DecodeError("cut short")
                if signal == "logs":
                    event = _log(LogRecord.FromString(bytes(item)), resource, uri, place)
                    if event is not None:
                        has_events = True
                        if isinstance(event, Unreadable) or wanted(event.trace_id):
                            yield event
                    continue
                raw = SpanMessage.FromString(bytes(item))
                trace_id = parse_trace_id(raw.trace_id.hex())
                if not trace_id:
                    yield Unreadable(uri, place, "bad-trace-id")
                elif wanted(trace_id):
                    yield _span(raw, trace_id, resource, uri, place)
            except (DecodeError, RecursionError, UnicodeDecodeError):
                yield Unreadable(uri, place, "malformed-span" if is_whole else "truncated")
    except ValueError:
        yield Unreadable(uri, number if offset is None else offset, "not-protobuf")
        return
    if signal == "metrics" or (signal == "logs" and not has_events):
        yield Unreadable(uri, offset or 0, "other-signal")


def spans_of_protobuf(data: bytes, uri: str, wanted: Callable[[str], bool]) -> Iterator[Record]:
    """Yield the spans of one TracesData (or ExportTraceServiceRequest: same bytes) message."""
    return records_of_protobuf(data, uri, wanted)
