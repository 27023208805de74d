"""The lake: Iceberg tables through PyIceberg, on a SQL catalog or AWS Glue.

Writers replace their own batch (`replace_batch`), so a step that was killed and runs
again leaves the same rows. Commits are optimistic: whoever loses a race redoes the
whole operation on the new snapshot. Readers name a snapshot and always see the same rows.

Source: Iceberg table spec v2; PyIceberg 0.12 `Table.overwrite`.
"""

from __future__ import annotations

import json
import random
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from steps.contract.errors import DataError, TransientError
from steps.contract.files import canonical_json
from steps.contract.refs import TableRef
from steps.store.lake_catalog import open_catalog, storage_errors, unless
from steps.store.lake_files import adopt_files, read_file, write_files
from steps.store.lake_maintenance import purge_matching
from steps.store.lake_rows import among, conform, either, empty_rows, row_filter, with_columns, without_known
from steps.store.schemas import TABLES, TableSchema, arrow_schema, table_properties

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from steps.contract.config import PipelineConfig
    from steps.store.lake_files import StagedFile
    from steps.store.lake_rows import Where

COMMIT_TRIES = 20
T = TypeVar("T")


@dataclass(frozen=True)
class RunRecord:
    """What a stage of a run left behind."""

    run_id: str
    stage: str
    payload: dict[str, Any]
    at: datetime


class Lake:
    """Tables of one namespace. Accepts `traces` and `ctp.traces` alike.

    Not for sharing between threads; every process opens its own.
    """

    def __init__(self, catalog: Catalog, namespace: str) -> None:
        self._catalog = catalog
        self._namespace = namespace
        self._opened: set[str] = set()

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the catalog's connections."""
        self._catalog.close()

    def schema(self, table: str) -> TableSchema:
        """The declared schema of a table.

        Raises:
            DataError: the lake has no such table.
        """
        namespace, _, name = table.rpartition(".")
        if name not in TABLES or namespace not in ("", self._namespace):
            raise DataError(f"the lake has no table {table!r}: tables are {', '.join(f'{self._namespace}.{known}' for known in TABLES)}")
        return TABLES[name]

    def current(self, table: str) -> TableRef:
        """The table at its newest snapshot; snapshot 0 when nothing was ever written."""
        schema = self.schema(table)
        opened = self._load(schema)
        snapshot = opened.current_snapshot() if opened is not None else None
        return TableRef(table=f"{self._namespace}.{schema.name}", snapshot_id=snapshot.snapshot_id if snapshot else 0)

    def has_snapshot(self, ref: TableRef) -> bool:
        """Whether the snapshot can still be read."""
        if not ref.snapshot_id:
            return True
        opened = self._load(self.schema(ref.table))
        return opened is not None and opened.snapshot_by_id(ref.snapshot_id) is not None

    def scan(self, ref: TableRef | str, columns: tuple[str, ...] = (), where: Where = None) -> pa.Table:
        """Read rows of one snapshot.

        Args:
            ref: a TableRef, its text `ctp.traces@42`, or a bare table name for the newest snapshot.
            columns: which columns, in this order; empty means all. Columns younger than the snapshot are null.
            where: see `row_filter`.

        Returns:
            Rows sorted by those of the table's key columns that were read.

        Raises:
            DataError: no such table, column or snapshot, or the filter names an unknown column.
        """
        if isinstance(ref, str):
            ref = TableRef.model_validate(ref) if "@" in ref else self.current(ref)
        schema = self.schema(ref.table)
        names = columns or tuple(column.name for column in schema.columns)
        unknown = set(names) - {column.name for column in schema.columns}
        if unknown:
            raise DataError(f"table {ref.table} has no column {sorted(unknown)[0]!r}")
        opened = self._load(schema) if ref.snapshot_id else None
        if opened is None and ref.snapshot_id:
            raise DataError(f"{ref}: the table does not exist in this lake: check --config and the work folder")
        rows = empty_rows(schema) if opened is None else _read(opened, ref, names, where)
        order = [(name, "ascending") for name in schema.key if name in names]
        rows = with_columns(rows, names, schema)
        return rows.sort_by(order) if order and rows.num_rows > 1 else rows

    def among(self, table: str, columns: tuple[str, ...], values: Iterable[str], where: Where = None) -> pa.Table:
        """Rows of the newest snapshot whose first column of `columns` is one of `values`; holds no others while it reads.

        Raises:
            DataError: no such table, or no such column to filter by.
        """
        schema = self.schema(table)
        opened = self._load(schema)
        if opened is None:
            return with_columns(empty_rows(schema), columns, schema)
        with storage_errors(f"table {self._namespace}.{schema.name}"):
            return among(opened.scan(row_filter=row_filter(where), selected_fields=columns), columns[0], values)

    def replace_batch(
        self,
        table: str,
        rows: pa.Table,
        batch_column: str,
        batch_id: str | tuple[str, ...],
        *,
        run_id: str,
        watermarks: Mapping[str, str] | None = None,
        unique_by: str = "",
        replacing: Where = None,
    ) -> TableRef:
        """Put `rows` in the place of the batch or batches, in one commit; the same call again leaves the same rows.

        Args:
            table: which table; it is created or given its new columns when needed.
            rows: any subset of the table's columns that has the required ones; a missing batch column is filled in.
            batch_column: the column that holds the batch id.
            batch_id: which rows are replaced; with several, every row names its own.
            run_id: recorded as `ctp.run-id` in the snapshot summary.
            watermarks: recorded as `ctp.watermark.<key>` in the snapshot summary.
            unique_by: rows whose value in this column stands in another batch of the committed snapshot are left out.
            replacing: rows of other batches that go in the same commit.

        Raises:
            DataError: the rows do not fit the table.
            TransientError: other writers won every one of 20 races.
        """
        import pyarrow as pa

        schema = self.schema(table)
        if batch_column not in rows.column_names and isinstance(batch_id, str):
            rows = rows.append_column(batch_column, pa.array([batch_id] * rows.num_rows, pa.string()))
        rows = conform(rows, schema)
        replaced = row_filter({batch_column: batch_id})
        if replacing is not None:
            replaced = either({batch_column: batch_id}, replacing)
        named = batch_id if isinstance(batch_id, str) else f"{len(batch_id)} batches"
        summary = {"ctp.run-id": run_id, "ctp.batch-id": named, **{f"ctp.watermark.{k}": v for k, v in (watermarks or {}).items()}}

        def attempt(opened: Table) -> None:
            fresh = without_known(opened, rows, unique_by, batch_column, batch_id) if unique_by else rows
            opened.overwrite(fresh, overwrite_filter=replaced, snapshot_properties=summary)

        return self._commit(schema, attempt)

    def write_files(self, table: str, rows: pa.Table, name: str) -> list[StagedFile]:
        """Write rows as data files that no snapshot holds yet, one for each partition; see `adopt_files`.

        Raises:
            DataError: the rows do not fit the table.
        """
        schema = self.schema(table)
        with storage_errors(f"table {self._namespace}.{schema.name}"):
            return write_files(self._ensure(schema), conform(rows, schema), schema, name)

    def read_files(self, table: str, paths: Iterable[str], columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """The rows of each staged file, in these columns."""
        schema = self.schema(table)
        with storage_errors(f"table {self._namespace}.{schema.name}"):
            opened = self._ensure(schema)
            for path in paths:
                yield read_file(opened, path, columns)

    def adopt_files(
        self,
        table: str,
        choose: Callable[[Table], tuple[list[str], Where]],
        batch_column: str,
        batch_ids: tuple[str, ...],
        *,
        run_id: str,
    ) -> TableRef:
        """Make staged files the whole content of some batches, in one commit that reads no row of them.

        Args:
            table: which table.
            choose: given the table as it is at the commit, returns the files, and the rows of other batches that go in the
                same commit (None: no row); it runs again after a lost race.
            batch_column: the column that holds the batch id.
            batch_ids: the batches that the files replace.
            run_id: recorded as `ctp.run-id` in the snapshot summary.

        Raises:
            TransientError: other writers won every one of 20 races.
        """
        summary = {"ctp.run-id": run_id, "ctp.batch-id": f"{len(batch_ids)} batches"}
        batches = row_filter({batch_column: batch_ids})

        def attempt(opened: Table) -> None:
            paths, replaced = choose(opened)
            adopt_files(opened, paths, batches, None if replaced is None else row_filter(replaced), summary)

        return self._commit(self.schema(table), attempt)

    def delete_rows(self, table: str, where: Where, *, run_id: str) -> TableRef:
        """Delete the rows that match, in one commit. Old snapshots still hold them until they are expired."""
        schema = self.schema(table)
        condition = row_filter(where)
        return self._commit(schema, lambda opened: opened.delete(condition, snapshot_properties={"ctp.run-id": run_id}))

    def delete_for_good(self, table: str, where: Where, *, run_id: str) -> None:
        """Delete the rows that match, then the snapshots and files that may still hold them.

        For conditions on columns with full statistics, such as a batch: others would take too many snapshots along.
        """
        self.delete_rows(table, where, run_id=run_id)
        self.upkeep(table, lambda opened: purge_matching(opened, row_filter(where)))

    def upkeep(self, table: str, work: Callable[[Table], T]) -> T | None:
        """Run maintenance on a table as it is now; None when it was never made. `work` must bear to be repeated.

        Raises:
            TransientError: other writers won every one of 20 races.
        """
        schema = self.schema(table)
        if self._load(schema) is None:
            return None
        results: list[T] = []
        self._commit(schema, lambda opened: results.append(work(opened)))
        return results[-1]

    def append_run_record(self, run_id: str, stage: str, payload: Mapping[str, Any], *, key: str = "") -> TableRef:
        """Add a record of a run; a record of the same `key` is replaced (default: always a new record)."""
        import pyarrow as pa

        key = key or uuid.uuid4().hex
        row = {"run_id": run_id, "stage": stage, "payload_json": canonical_json(dict(payload)), "at": datetime.now(UTC), "record_key": key}
        return self.replace_batch("runs", pa.Table.from_pylist([row]), "record_key", key, run_id=run_id)

    def run_records(self, stage: str = "", *, run_id: str = "") -> list[RunRecord]:
        """Records in the order they were made, of one stage or run or of all."""
        where = {name: value for name, value in (("stage", stage), ("run_id", run_id)) if value}
        rows = self.scan("runs", where=where or None).to_pylist()
        return [RunRecord(row["run_id"], row["stage"], json.loads(row["payload_json"] or "{}"), row["at"]) for row in rows]

    def history(self, table: str) -> list[dict[str, str]]:
        """Snapshot summaries, oldest first, each with `snapshot_id` and `committed_at` (ISO 8601)."""
        opened = self._load(self.schema(table))
        result = []
        for snapshot in opened.snapshots() if opened is not None else ():
            at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat()
            summary = {"operation": snapshot.summary.operation.value, **snapshot.summary.additional_properties} if snapshot.summary else {}
            result.append({"snapshot_id": str(snapshot.snapshot_id), "committed_at": at, **summary})
        return result

    def _identifier(self, schema: TableSchema) -> tuple[str, str]:
        return (self._namespace, schema.name)

    def _load(self, schema: TableSchema) -> Table | None:
        """The table, or None when it was never created."""
        from pyiceberg.exceptions import NoSuchTableError

        with storage_errors(f"table {self._namespace}.{schema.name}"):
            try:
                opened = self._catalog.load_table(self._identifier(schema))
            except NoSuchTableError:
                return None
        if schema.name == "traces" and any(field.name == "messages_json" for field in opened.schema().fields):
            raise DataError(
                f"table {self._namespace}.traces is of the first edition, without a table of model calls:"
                " name another lake.namespace (or --workdir) and ingest the raw files again"
            )
        return opened

    def _ensure(self, schema: TableSchema) -> Table:
        """The table, created when absent and given the columns it lacks."""
        opened = self._load(schema)
        if opened is None:
            with unless(lambda: self._catalog.namespace_exists(self._namespace)):
                self._catalog.create_namespace_if_not_exists(self._namespace)
            with unless(lambda: self._catalog.table_exists(self._identifier(schema))):
                _create(self._catalog, self._identifier(schema), schema)
            opened = self._catalog.load_table(self._identifier(schema))
        if schema.name not in self._opened:
            missing = [name for name in arrow_schema(schema).names if name not in {field.name for field in opened.schema().fields}]
            if missing:
                with opened.transaction() as change:
                    change.update_schema().union_by_name(arrow_schema(schema)).commit()
                    change.set_properties(table_properties(schema))
            self._opened.add(schema.name)
        return opened

    def _commit(self, schema: TableSchema, attempt: Callable[[Table], None]) -> TableRef:
        """Run `attempt` on the newest snapshot until no other writer got in between."""
        from pyiceberg.exceptions import CommitFailedException, ValidationException

        name = f"{self._namespace}.{schema.name}"
        for turn in range(COMMIT_TRIES):
            try:
                with storage_errors(f"table {name}"), warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message="Delete operation did not match any records")
                    opened = self._ensure(schema)
                    attempt(opened)
                snapshot = opened.current_snapshot()
                return TableRef(table=name, snapshot_id=snapshot.snapshot_id if snapshot else 0)
            except (CommitFailedException, ValidationException):
                time.sleep(min(2.0, 0.05 * 2**turn) * random.uniform(0.5, 1.5))
        raise TransientError(f"table {name}: other writers won {COMMIT_TRIES} commits in a row: run the same command again")


def _create(catalog: Catalog, identifier: tuple[str, str], schema: TableSchema) -> None:
    """Create the table with its partitions in one commit."""
    creation = catalog.create_table_transaction(identifier, schema=arrow_schema(schema), properties=table_properties(schema))
    with creation, creation.update_spec() as spec:
        for name in schema.partition:
            spec.add_identity(name)


def _read(opened: Table, ref: TableRef, names: tuple[str, ...], where: Where) -> pa.Table:
    """Rows of one snapshot in those of the columns that the snapshot has."""
    if opened.snapshot_by_id(ref.snapshot_id) is None:
        raise DataError(f"{ref}: no such snapshot: it was never made in this lake, or it has been expired")
    condition = row_filter(where)
    scan = opened.scan(snapshot_id=ref.snapshot_id, row_filter=condition)
    fields = [field.name for field in scan.projection().fields]
    wanted = [name for name in names if name in fields] or fields[:1]
    try:
        with storage_errors(str(ref)):
            return scan.select(*wanted).to_arrow()
    except ValueError as error:
        raise DataError(f"{ref}: the filter does not fit the table: {' '.join(str(error).split())[:200]}") from error


def open_lake(config: PipelineConfig, workdir: Path) -> Lake:
    """Open the configured lake; without configuration it is SQLite and files in `workdir/lake`.

    Raises:
        ConfigError: the catalog lacks a setting.
        AccessError: the catalog refuses access.
        TransientError: the catalog does not answer.
    """
    with storage_errors("lake"):
        return Lake(open_catalog(config, workdir), config.lake.namespace)
