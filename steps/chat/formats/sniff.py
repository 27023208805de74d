"""What a file holds, told by its first bytes; its name says nothing."""

from __future__ import annotations

import csv
import re
from typing import Literal

from steps.chat.formats.limits import MAX_MESSAGE_BYTES

Kind = Literal["json", "protobuf", "framed", "csv", "parquet", "unknown"]
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
_JSON_LINE = re.compile(rb"^[ \t]*[{\[]", re.MULTILINE)
_IDENTITY = frozenset({"trace_id", "traceId"})
_OWN = frozenset({"id", "span_id", "spanId"})
_ALSO = frozenset({"timestamp", "type", "start_time", "startTime", "data_type", "dataType"})
_ZSTD = b"\x28\xb5\x2f\xfd"
# Fields of ResourceSpans, ResourceLogs and ResourceMetrics: resource, scopes, schema URL.
_BLOCK_TAGS = (0x0A, 0x12, 0x1A)


def is_table(columns: frozenset[str]) -> bool:
    """Whether columns are those of observations, traces or scores."""
    return bool(columns & _IDENTITY) or bool(columns & _OWN and columns & _ALSO)


def _is_message(head: bytes) -> bool:
    """Whether bytes begin as an OTLP export message: a block with fields of a block in it."""
    if head[:1] != b"\x0a":
        return False
    at, shift = 1, 0
    length = 0
    while at < min(len(head), 6):
        length |= (head[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if head[at - 1] < 0x80:
            break
    return at < len(head) and 0 < length <= MAX_MESSAGE_BYTES and head[at] in _BLOCK_TAGS


def _is_framed(head: bytes) -> bool:
    """Whether bytes begin with a four-byte length and a message: the file exporter's form of anything but plain JSON lines."""
    length, body = int.from_bytes(head[:4], "big"), head[4:]
    if not 0 < length <= MAX_MESSAGE_BYTES:
        return False
    if body.startswith(b"{"):
        return length > len(body) or body[:length].endswith((b"}", b"}\n"))
    return body.startswith(_ZSTD) or _is_message(body)


def _is_csv(head: bytes) -> bool:
    line = head.partition(b"\n")[0].decode("utf-8", "replace")
    try:
        columns = next(csv.reader([line]), [])
    except csv.Error:
        return False
    return is_table(frozenset(column.strip() for column in columns))


def content_kind(head: bytes) -> Kind:
    """The kind of an unpacked file from its first bytes.

    JSON holds no control characters, and the lengths and tags of a message are some: a line feed and a brace may begin both.
    """
    text = head.lstrip(b" \t\r\n\f")
    if head.startswith(b"PAR1"):
        return "parquet"
    if text[:1] in (b"{", b"[") and not _CONTROL.search(head[:512]):
        return "json"
    if _is_message(head):
        return "protobuf"
    if _is_framed(head):
        return "framed"
    if _JSON_LINE.search(head):
        return "json"
    return "csv" if _is_csv(text) else "unknown"
