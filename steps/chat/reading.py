"""Reader of raw objects: lines, documents, protobuf and Parquet into records.

A line that cannot be read becomes an `Unreadable` with its number; the reader goes on behind it.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from steps.chat import langfuse, otlp
from steps.chat.span import Record, Unreadable
from steps.store.raw_objects import RawObject
from steps.store.sources import BoundedReader, open_source, unpacked

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LINE_BYTES = 128 << 20
Wanted = Callable[[str], bool]


def _lines(stream: BinaryIO, limit: int) -> Iterator[tuple[int, bytes | None, bool]]:
    """Yield (number from 1, line or None when over `limit`, whether the line has its end)."""
    number = 0
    while line := stream.readline(limit):
        number += 1
        is_complete = line.endswith(b"\n")
        if not is_complete and len(line) >= limit:
            while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
                pass
            yield number, None, True
            continue
        yield number, line, is_complete


def _reason(line: bytes, is_complete: bool) -> str:
    """Why a line that is no JSON document is refused."""
    if not is_complete:
        return "truncated"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "not-utf8"
    return "not-json"


def _json_objects(stream: BinaryIO, uri: str, limit: int) -> Iterator[tuple[int, Any] | Unreadable]:
    """Yield the JSON documents of a file: one a line, or one over many lines."""
    for number, line, is_complete in _lines(stream, limit):
        if line is None:
            yield Unreadable(uri, number, "line-too-long")
            continue
        if not line.strip():
            continue
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError:
            if number == 1 and re.search(r"\.json(\.gz)?$", uri, re.IGNORECASE):
                rest = stream.read(limit)
                try:
                    yield 1, orjson.loads(line + rest)
                    return
                except orjson.JSONDecodeError:
                    stream = io.BytesIO(rest)
                    yield Unreadable(uri, number, _reason(line, is_complete))
                    for item in _json_objects(stream, uri.removesuffix(".gz") + "l", limit):
                        if isinstance(item, Unreadable):
                            yield Unreadable(uri, item.offset + 1, item.reason)
                        else:
                            yield item[0] + 1, item[1]
                    return
            yield Unreadable(uri, number, _reason(line, is_complete))


def _records_of(document: Any, uri: str, offset: int, wanted: Wanted) -> Iterator[Record]:
    """Yield the records of one JSON document, whatever its format."""
    if isinstance(document, dict):
        if "resourceSpans" in document or "resource_spans" in document:
            yield from otlp.spans_of(document, uri, offset, wanted)
        elif isinstance(document.get("data"), list):
            yield from _records_of(document["data"], uri, offset, wanted)
        elif not ({"resourceMetrics", "resourceLogs"} & document.keys()):
            yield from langfuse.records_of(document, uri, offset, wanted)
    elif isinstance(document, list):
        for item in document:
            if isinstance(item, dict):
                yield from _records_of(item, uri, offset, wanted)
            else:
                yield Unreadable(uri, offset, "unknown-record")
    else:
        yield Unreadable(uri, offset, "unknown-record")


def _stream_records(stream: BinaryIO, uri: str, wanted: Wanted, limit: int) -> Iterator[Record]:
    """Yield the records of a JSON or protobuf stream, already decompressed."""
    if re.search(r"\.binpb(\.gz)?$", uri, re.IGNORECASE):
        yield from otlp.spans_of_protobuf(stream.read(), uri, wanted)
        return
    for item in _json_objects(stream, uri, limit):
        if isinstance(item, Unreadable):
            yield item
        else:
            yield from _records_of(item[1], uri, item[0], wanted)


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """Rows of a batch; None for one whose text is no UTF-8."""
    try:
        rows: list[dict[str, Any] | None] = batch.to_pylist()
        return rows
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return [None]
        half = batch.num_rows // 2
        return _rows(batch.slice(0, half)) + _rows(batch.slice(half))


def _parquet_rows(stream: BinaryIO, uri: str, size: int, wanted: Wanted) -> Iterator[Record]:
    """Yield the records of a Langfuse Parquet export; its footer is at the end, so the planned bytes are held in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = stream.read(size)
    offset = 0
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            for batch in file.iter_batches(batch_size=2000):
                for row in _rows(batch):
                    offset += 1
                    if row is None:
                        yield Unreadable(uri, offset, "not-utf8")
                    else:
                        yield from langfuse.records_of(row, uri, offset, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
        yield Unreadable(uri, offset + 1, "not-parquet")


def read_object(item: RawObject, wanted: Wanted = lambda trace_id: True, *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Record]:
    """Read the listed bytes of one object.

    Args:
        item: the object as listed.
        wanted: tells by trace id which records to build; unreadable places always come.
        max_line_bytes: longer lines are passed over as `line-too-long`.

    Raises:
        DataError: it is gone.
        AccessError: the file may not be read.
    """
    raw = BoundedReader(open_source(item.uri), item.bytes)
    packed = item.uri.lower().endswith(".gz")
    with raw, io.BufferedReader(raw, 1 << 20) as stream:
        if item.uri.lower().endswith(".parquet") or stream.peek(4)[:4] == b"PAR1":
            yield from _parquet_rows(stream, item.uri, item.bytes, wanted)
        else:
            try:
                yield from _stream_records(unpacked(item.uri, stream), item.uri, wanted, max_line_bytes)
            except EOFError:
                yield Unreadable(item.uri, 0, "truncated-gzip")
            except (zlib.error, OSError) as error:
                if not packed:
                    raise
                yield Unreadable(item.uri, 0, "not-gzip" if isinstance(error, OSError) else "damaged-gzip")
