"""Reader of raw files into records, whatever they hold and however they are packed.

What cannot be read becomes an `Unreadable` with its place and a reason; the reader goes on behind it. It never
raises for what a file holds.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, cast

from steps.chat import langfuse
from steps.chat.formats.csv_rows import csv_rows
from steps.chat.formats.limits import (
    HEAD_BYTES,
    MAX_COUNTED_UNREADABLE,
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_RECORDS,
    MAX_UNREADABLE,
)
from steps.chat.formats.parquet_rows import parquet_rows
from steps.chat.formats.records import Wanted, records_of_frames, records_of_json
from steps.chat.formats.sniff import content_kind
from steps.chat.formats.unpack import Damage, unpack
from steps.chat.otlp_protobuf import records_of_protobuf
from steps.chat.span import Record, Unreadable
from steps.store.raw_objects import RawObject
from steps.store.raw_streams import open_object

_BUFFER = 1 << 20
Rows = Iterable[tuple[int, dict[str, object]] | Unreadable]


def _every(_: str) -> bool:
    return True


def _table_records(rows: Rows, uri: str, wanted: Wanted) -> Iterator[Record]:
    for item in rows:
        if isinstance(item, Unreadable):
            yield item
        else:
            yield from langfuse.records_of(item[1], uri, item[0], wanted)


def _content_records(stream: io.BufferedReader[Any], uri: str, size: int, wanted: Wanted, limit: int) -> Iterator[Record]:
    """Yield the records of an unpacked stream by what its first bytes are."""
    head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
    kind = content_kind(head)
    if kind == "json":
        yield from records_of_json(stream, uri, wanted, limit)
    elif kind == "framed":
        yield from records_of_frames(stream, uri, wanted)
    elif kind == "csv":
        yield from _table_records(csv_rows(stream, uri, limit), uri, wanted)
    elif kind in ("protobuf", "parquet"):
        if kind == "parquet" and stream.seekable():
            yield from _table_records(parquet_rows(stream, uri, size), uri, wanted)
            return
        data = stream.read(MAX_MESSAGE_BYTES + 1)
        if len(data) > MAX_MESSAGE_BYTES:
            yield Unreadable(uri, 0, "message-too-long")
        elif kind == "protobuf":
            yield from records_of_protobuf(data, uri, wanted)
        else:
            held = io.BufferedReader(cast(io.RawIOBase, io.BytesIO(data)))
            yield from _table_records(parquet_rows(held, uri, size), uri, wanted)
    else:
        yield Unreadable(uri, 0, "unknown-format")


def _file_records(stream: io.BufferedReader[Any], uri: str, size: int, wanted: Wanted, limit: int) -> Iterator[Record]:
    if not size:
        yield Unreadable(uri, 0, "empty-file")
        return
    damage = Damage()
    content = unpack(stream, size, damage)
    if content.peek(1):
        yield from _content_records(content, uri, size, wanted, limit)
    elif not damage.reason:
        yield Unreadable(uri, 0, "empty-file")
    if damage.reason:
        yield Unreadable(uri, 0, damage.reason)


def _bound(records: Iterator[Record], uri: str) -> Iterator[Record]:
    """Pass records on up to the caps of a file; what is unreadable beyond its cap, and other signals, are one row each."""
    unreadable = others = beyond = total = 0
    for record in records:
        total += 1
        if type(record) is Unreadable:
            if record.reason == "other-signal":
                others += record.count
                continue
            unreadable += 1
            if unreadable > MAX_UNREADABLE:
                beyond += 1
                if beyond > MAX_COUNTED_UNREADABLE:
                    break
                continue
        if total > MAX_RECORDS:
            yield Unreadable(uri, 0, "too-many-records")
            break
        yield record
    if others:
        yield Unreadable(uri, 0, "other-signal", others)
    if beyond:
        yield Unreadable(uri, 0, "too-many-unreadable", beyond)


def read_object(item: RawObject, wanted: Wanted = _every, *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Record]:
    """Read one listed object.

    Args:
        item: as listed.
        wanted: tells by trace id (of a score of a session alone: by session id) which records to build; unreadable places
            always come.
        max_line_bytes: longer lines are passed over as `line-too-long`.

    Raises:
        DataError: the object is gone, or no longer what was listed.
        AccessError: it may not be read.
        TransientError: the object store does not answer.
    """
    with open_object(item.uri, item.etag, item.bytes) as raw, io.BufferedReader(cast(io.RawIOBase, raw), _BUFFER) as stream:
        yield from _bound(_file_records(stream, item.uri, item.bytes, wanted, max_line_bytes), item.uri)
