"""Rows of a Parquet export: the columns that are read, in few rows at a time.

A file of a kilobyte may stand for gigabytes, when all rows share one text. Texts are therefore held once, as
dictionaries, and rows are built only as many as fit.

Source: Apache Parquet format, encodings; Langfuse server 4.16, Parquet export written by ClickHouse.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from steps.chat.formats.limits import (
    HELD_ROWS_BYTES,
    MAX_RATIO,
    MAX_RECORDS,
    MAX_ROW_BYTES,
    MAX_ROW_GROUP_BYTES,
    RATIO_ALLOWANCE_BYTES,
)
from steps.chat.formats.sniff import is_table
from steps.chat.langfuse_rows import FIELD_NAMES
from steps.chat.span import Unreadable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 512


def parquet_rows(stream: io.BufferedReader[Any], uri: str, size: int) -> Iterator[tuple[int, dict[str, Any]] | Unreadable]:
    """Yield (row number from 1, row by column name).

    Args:
        stream: the file; it can seek.
        uri: of the file.
        size: bytes of the file, which its rows are measured against.
    """
    import pyarrow as pa

    number = 0
    left = max(RATIO_ALLOWANCE_BYTES, MAX_RATIO * size)
    try:
        file, refusal = _open(stream)
        if refusal:
            yield Unreadable(uri, 0, refusal)
            return
        for batch in _batches(file):
            for rows, dense_bytes in _split(batch):
                left -= dense_bytes
                if left < 0:
                    yield Unreadable(uri, number + 1, "decompression-bomb")
                    return
                for row in _dicts(rows) if dense_bytes <= MAX_ROW_BYTES else [None] * rows.num_rows:
                    number += 1
                    if row is None:
                        yield Unreadable(uri, number, "not-utf8" if dense_bytes <= MAX_ROW_BYTES else "line-too-long")
                    else:
                        yield number, row
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError):
        yield Unreadable(uri, number + 1, "not-parquet")


def _open(stream: io.BufferedReader[Any]) -> tuple[pq.ParquetFile, str]:
    """The file with its texts as dictionaries, and why it is not read; "" when it is."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(stream)
    stream.seek(0)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    shared = {name for group in groups for name in _delta_coded(group)}
    columns = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY" and column.path not in shared]
    file = pq.ParquetFile(stream, metadata=metadata, read_dictionary=texts)
    if not is_table(frozenset(file.schema_arrow.names)):
        return file, "unknown-format"
    if metadata.num_rows > MAX_RECORDS:
        return file, "too-many-records"
    if any(group.total_byte_size > MAX_ROW_GROUP_BYTES for group in groups):
        return file, "decompression-bomb"
    return file, ""


def _delta_coded(group: pq.RowGroupMetaData) -> dict[str, int]:
    """Columns whose texts share their beginnings, which PyArrow cannot read as dictionaries, and the size of each."""
    chunks = [group.column(index) for index in range(group.num_columns)]
    return {chunk.path_in_schema: chunk.total_uncompressed_size for chunk in chunks if "DELTA_BYTE_ARRAY" in chunk.encodings}


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    columns = [name for name in file.schema_arrow.names if name in FIELD_NAMES]
    for index in range(file.metadata.num_row_groups):
        # No text of a column is longer than the column.
        longest = max(_delta_coded(file.metadata.row_group(index)).values(), default=0)
        rows = max(1, min(_BATCH_ROWS, MAX_ROW_BYTES // max(1, longest)))
        # One row group at a time: PyArrow does not join nested dictionaries of two.
        yield from file.iter_batches(batch_size=rows, row_groups=[index], columns=columns, use_threads=False)


def _split(batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Halve a batch until what its rows hold fits."""
    dense_bytes = sum(_dense_bytes(column) for column in batch.columns)
    if dense_bytes <= HELD_ROWS_BYTES or batch.num_rows <= 1:
        yield batch, dense_bytes
        return
    half = batch.num_rows // 2
    yield from _split(batch.slice(0, half))
    yield from _split(batch.slice(half))


def _dense_bytes(column: pa.Array) -> int:
    """Bytes that the values of a column take when each has its own copy."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        if not len(column.dictionary):
            return 0
        return int(pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_map(column.type):
        first, last = int(column.offsets[0].as_py()), int(column.offsets[-1].as_py())
        children = (column.keys, column.items) if pa.types.is_map(column.type) else (column.values,)
        return 8 * (last - first) + sum(_dense_bytes(child.slice(first, last - first)) for child in children)
    if pa.types.is_struct(column.type):
        return sum(_dense_bytes(column.field(index)) for index in range(column.type.num_fields))
    return int(column.nbytes)


def _dicts(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """Rows of a batch; None for one whose text is no UTF-8."""
    try:
        values = [_plain(column).to_pylist() for column in batch.columns]
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return [None]
        half = batch.num_rows // 2
        return _dicts(batch.slice(0, half)) + _dicts(batch.slice(half))
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _plain(column: pa.Array) -> pa.Array:
    """A column whose values Python can hold: times as microseconds, texts out of their dictionary."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
