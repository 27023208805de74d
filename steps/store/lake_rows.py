"""Rows on their way into and out of the lake: filters, types and columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

from steps.contract.errors import DataError
from steps.store.schemas import TableSchema, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import DataScan, Table

    Where = str | BooleanExpression | Mapping[str, Any] | None

FILES_AT_ONCE = 64
# First and last day, both included; None: no bound.
Window = tuple[date | None, date | None]


def row_filter(where: Where) -> BooleanExpression:
    """An Iceberg filter from an expression, a mapping of column to value, or filter text.

    In a mapping a list, tuple or set means "one of" and None means "is null"; all entries must
    hold. Values from outside belong in a mapping: they stay literals whatever they contain.
    """
    from pyiceberg import expressions
    from pyiceberg.expressions.parser import parse

    terms: Any = expressions  # its constructors take positional arguments that its types do not show

    if where is None:
        where = {}
    if isinstance(where, str):
        return parse(where)
    if not isinstance(where, Mapping):
        return where
    result: BooleanExpression = terms.AlwaysTrue()
    for column, value in where.items():
        term: BooleanExpression
        if value is None:
            term = terms.IsNull(column)
        elif isinstance(value, Collection) and not isinstance(value, (str, bytes)):
            term = terms.In(column, set(value)) if value else terms.AlwaysFalse()
        else:
            term = terms.EqualTo(column, value)
        result = terms.And(result, term)
    return result


def either(one: Where, other: Where) -> BooleanExpression:
    """A filter that keeps what one of two keeps; give mappings for columns that may be null.

    PyIceberg 0.12 deletes by keeping what does not match, and keeps every row that has a null in a column whose
    nulls the filter does not speak of; with an "or" that row may well match by its other column.
    """
    from pyiceberg import expressions

    terms: Any = expressions
    sides = []
    for where in (one, other):
        side = row_filter(where)
        for column, value in where.items() if isinstance(where, Mapping) else ():
            side = terms.And(terms.NotNull(column), side) if value is not None else side
        sides.append(side)
    result: BooleanExpression = terms.Or(*sides)
    return result


def in_window(where: Where, window: Window) -> BooleanExpression:
    """A filter that also keeps to the days of a window, by the column `date`."""
    from pyiceberg.expressions import And, GreaterThanOrEqual, LessThanOrEqual

    bounds: Any = (GreaterThanOrEqual, LessThanOrEqual)
    result = row_filter(where)
    for bound, day in zip(bounds, window, strict=True):
        if day is not None:
            result = And(result, bound("date", day.isoformat()))
    return result


def conform(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """Rows in the table's columns, types and order, sorted by its key; absent optional columns are null.

    Raises:
        DataError: a column is unknown, a required one absent or null, or a value has the wrong type.
    """
    import pyarrow as pa

    target = arrow_schema(schema)
    extra = set(rows.column_names) - set(target.names)
    if extra:
        raise DataError(f"table {schema.name} has no column {sorted(extra)[0]!r}: its columns are {', '.join(target.names)}")
    arrays = []
    for column in target:
        if column.name in rows.column_names:
            try:
                array = rows.column(column.name).cast(column.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise DataError(f"table {schema.name}, column {column.name}: not {column.type}: {str(error).splitlines()[0]}") from None
        else:
            array = pa.chunked_array([pa.nulls(rows.num_rows, column.type)])
        if not column.nullable and array.null_count:
            raise DataError(f"table {schema.name}, column {column.name}: {array.null_count} rows have no value, and it is required")
        arrays.append(array)
    return pa.table(arrays, schema=target).sort_by([(name, "ascending") for name in schema.key])


def empty_rows(schema: TableSchema) -> pa.Table:
    """No rows, in the types that reading gives."""
    return large(arrow_schema(schema)).empty_table()


def large(schema: pa.Schema) -> pa.Schema:
    """The same schema with 64-bit string offsets, which is how PyIceberg reads."""
    import pyarrow as pa

    wide = {pa.string(): pa.large_string(), pa.list_(pa.string()): pa.large_list(pa.large_string())}
    return pa.schema([pa.field(item.name, wide.get(item.type, item.type), item.nullable) for item in schema])


def with_columns(rows: pa.Table, names: tuple[str, ...], schema: TableSchema) -> pa.Table:
    """Rows in exactly these columns; those younger than the data are null."""
    import pyarrow as pa

    types = {item.name: item.type for item in large(arrow_schema(schema))}
    arrays = [
        rows.column(name).cast(types[name]) if name in rows.column_names else pa.chunked_array([pa.nulls(rows.num_rows, types[name])])
        for name in names
    ]
    return pa.table(arrays, names=list(names))


def without_known(opened: Table, rows: pa.Table, column: str, batch_column: str, batch_id: str | tuple[str, ...]) -> pa.Table:
    """Rows whose `column` value stands in no other batch of the snapshot about to be replaced."""
    import pyarrow.compute as pc

    if opened.current_snapshot() is None or not rows.num_rows:
        return rows
    scan = opened.scan(row_filter=~row_filter({batch_column: batch_id}), selected_fields=(column,))
    known = among(scan, column, rows.column(column).to_pylist()).column(column)
    fresh = pc.invert(pc.is_in(rows.column(column), value_set=known.cast(rows.schema.field(column).type)))
    return rows.filter(fresh)


def among(scan: DataScan, column: str, values: Iterable[str]) -> pa.Table:
    """Rows of a scan whose `column` is one of `values`; however long the table, few files beside these are held at once.

    PyIceberg's own reader of batches reads on through all files while the first are looked at.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyiceberg.io.pyarrow import ArrowScan

    reader = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter, scan.case_sensitive)
    found = [reader.to_table([])]
    wanted = pa.array(sorted(set(values)), found[0].schema.field(column).type)
    tasks = iter(scan.plan_files() if len(wanted) else ())
    while some := list(islice(tasks, FILES_AT_ONCE)):
        rows = reader.to_table(some)
        found.append(rows.filter(pc.is_in(rows.column(column), value_set=wanted)))
    return pa.concat_tables(found, promote_options="permissive")
