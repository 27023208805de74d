"""Records of one document or message, by the keys at its top."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from steps.chat import langfuse
from steps.chat.formats.documents import json_documents
from steps.chat.formats.limits import MAX_LINE_BYTES, MAX_MESSAGE_BYTES
from steps.chat.formats.unpack import Damage, unpack
from steps.chat.otlp import spans_of
from steps.chat.otlp_logs import log_events_of
from steps.chat.otlp_protobuf import records_of_protobuf
from steps.chat.span import Record, Unreadable

Wanted = Callable[[str], bool]
_MOST_PAGES = 3


def records_of_document(document: Any, uri: str, offset: int, wanted: Wanted, depth: int = 0) -> Iterator[Record]:
    """Yield the records of one JSON document: OTLP traces or logs, a Langfuse row or object, a page or list of these."""
    if isinstance(document, dict):
        is_row = "trace_id" in document or "traceId" in document
        if not is_row and ("resourceSpans" in document or "resource_spans" in document):
            yield from spans_of(document, uri, offset, wanted)
        elif not is_row and isinstance(document.get("data"), (list, dict)) and depth < _MOST_PAGES:
            yield from records_of_document(document["data"], uri, offset, wanted, depth + 1)
        elif not is_row and ("resourceLogs" in document or "resource_logs" in document):
            yield from log_events_of(document, uri, offset, wanted)
        elif not is_row and ("resourceMetrics" in document or "resource_metrics" in document):
            yield Unreadable(uri, offset, "other-signal")
        else:
            yield from langfuse.records_of(document, uri, offset, wanted)
    elif isinstance(document, list) and depth < _MOST_PAGES:
        for item in document:
            if isinstance(item, dict):
                yield from records_of_document(item, uri, offset, wanted, depth + 1)
            else:
                yield Unreadable(uri, offset, "unknown-record")
    else:
        yield Unreadable(uri, offset, "unknown-record")


def records_of_json(stream: io.BufferedReader[Any], uri: str, wanted: Wanted, limit: int) -> Iterator[Record]:
    """Yield the records of JSON text."""
    for item in json_documents(stream, uri, limit):
        if isinstance(item, Unreadable):
            yield item
        else:
            yield from records_of_document(item[1], uri, item[0], wanted)


def records_of_frames(stream: io.BufferedReader[Any], uri: str, wanted: Wanted) -> Iterator[Record]:
    """Yield the records of messages that each have their length before them, JSON or protobuf, each perhaps packed."""
    number = 0
    while head := stream.read(4):
        number += 1
        length = int.from_bytes(head, "big")
        if length > MAX_MESSAGE_BYTES:
            yield Unreadable(uri, number, "message-too-long")
            return
        message = stream.read(length)
        if len(head) < 4 or len(message) < length:
            yield Unreadable(uri, number, "truncated")
            return
        damage = Damage()
        content = unpack(io.BufferedReader(io.BytesIO(message)), length, damage)
        text = content.read(MAX_LINE_BYTES + 1)
        if damage.reason or len(text) > MAX_LINE_BYTES:
            yield Unreadable(uri, number, damage.reason or "message-too-long")
        elif text[:1] in (b"{", b"["):
            try:
                yield from records_of_document(orjson.loads(text), uri, number, wanted)
            except orjson.JSONDecodeError:
                yield Unreadable(uri, number, "not-json")
        else:
            yield from records_of_protobuf(text, uri, wanted, number)
