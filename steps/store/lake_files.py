"""Data files that many processes write and one commits: staged files, and adopting them.

A staged file is an ordinary data file of its table that no snapshot holds. Nobody sees its
rows until it is adopted; one that never is becomes an orphan, which maintenance deletes.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steps.contract.errors import DataError
from steps.store.schemas import TableSchema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table

ROW_GROUP_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A data file as written: where, how long in bytes, how many rows."""

    path: str
    bytes: int
    rows: int


def write_files(opened: Table, rows: pa.Table, schema: TableSchema, name: str) -> list[StagedFile]:
    """Write conformed rows below the table's location, one file for each partition; names never repeat."""
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    target: pa.Schema = schema_to_pyarrow(opened.schema(), include_field_ids=True)
    staged = []
    for number, part in enumerate(_partitions(rows, schema)):
        path = f"{opened.location().rstrip('/')}/data/{name}-{uuid.uuid4().hex}-{number:05d}.parquet"
        output = opened.io.new_output(path)
        with output.create() as stream:
            pq.write_table(part.select(target.names).cast(target), stream, compression="zstd", row_group_size=ROW_GROUP_ROWS)
        staged.append(StagedFile(path, len(output.to_input_file()), part.num_rows))
    return staged


def _partitions(rows: pa.Table, schema: TableSchema) -> list[pa.Table]:
    """Rows by partition, in the order of the partitions' values."""
    import pyarrow.compute as pc

    if not schema.partition or not rows.num_rows:
        return [rows] if rows.num_rows else []
    keys = rows.group_by(list(schema.partition)).aggregate([]).sort_by([(name, "ascending") for name in schema.partition]).to_pylist()
    parts = []
    for key in keys:
        mask: Any = None
        for name, value in key.items():
            hit = pc.equal(rows.column(name), value)
            mask = hit if mask is None else pc.and_(mask, hit)
        parts.append(rows.filter(mask))
    return parts


def read_file(opened: Table, path: str, columns: tuple[str, ...] = ()) -> pa.Table:
    """Rows of one staged file.

    Raises:
        DataError: it is gone.
    """
    import pyarrow.parquet as pq

    try:
        with opened.io.new_input(path).open() as stream:
            return pq.read_table(stream, columns=list(columns) or None)
    except FileNotFoundError:
        raise DataError(f"{path}: the staged file is gone: run its shard again") from None


def adopt_files(
    opened: Table, paths: list[str], batches: BooleanExpression, replaced: BooleanExpression | None, summary: dict[str, str]
) -> None:
    """Replace the rows of some batches by files, in one transaction; files that stand there already are left alone.

    Args:
        opened: the table as it is.
        paths: the files.
        batches: rows that the files are the whole of.
        replaced: rows of other batches that the files stand for, too; None: there are none.
        summary: properties of the snapshots.
    """
    held = {task.file.file_path for task in opened.scan(row_filter=batches).plan_files()} if opened.current_snapshot() else set()
    if held == set(paths) and (held or replaced is None):
        return
    if held & set(paths):
        raise DataError(
            f"{sorted(held & set(paths))[0]}: the file is in the table already, and others of its batch are not: run its shard again"
        )
    with opened.transaction() as change:
        if held:
            change.delete(batches, snapshot_properties=summary)
        if replaced is not None:
            change.delete(replaced, snapshot_properties=summary)
        if paths:
            change.add_files(paths, snapshot_properties=summary, check_duplicate_files=False)
