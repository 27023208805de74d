"""Commit of settled units: one commit a table, in an order in which a kill repeats work and loses none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from steps.contract.errors import DataError
from steps.contract.files import canonical_json, sha256_text
from steps.contract.spec import StepContext
from steps.govern.batch import AMENDED, KEPT, PENDING, STOPPED, WRITTEN, Counts, count, drop_erased, erased_users, settle_unit
from steps.govern.identity import load_key
from steps.govern.manifest import Manifest
from steps.govern.rows import to_table
from steps.govern.staging import stage
from steps.store.lake_maintenance import delete_paths, plain
from steps.store.lake_rows import among, row_filter
from steps.store.units import UNIT_STAGE, Unit

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from steps.store.lake import Lake

TRACE_TABLES = ("traces", "generations")
AMENDMENTS = ("claims", "feedback", "trace_parts")


class Commit:
    """Commit of units that wait.

    Args:
        lake: an open lake.
        waiting: manifests of the units, in the order of the plan.
        ctx: run id, configuration and work folder.
    """

    def __init__(self, lake: Lake, waiting: list[Manifest], ctx: StepContext) -> None:
        self._lake, self._ctx, self._waiting = lake, ctx, waiting
        self._units = [*waiting]
        self._torn: set[str] = set()
        self._torn_owner = ""
        self._adopted: set[str] = set()

    def run(self) -> dict[str, Counts]:
        """Commit everything; the counts of every unit."""
        self._check_files()
        self._join_torn()
        self._erased = self._erased_ids()
        batches = tuple(manifest.unit.id for manifest in self._units)
        for table in ("claims", "feedback"):
            self._adopt(table, batches)
        self._replace_rows("quarantine", batches)
        self._replace_rows("gate_ledger", batches)
        for table in TRACE_TABLES:
            self._adopt(table, batches)
        self._adopt("trace_parts", batches)
        self._erased |= drop_erased(self._lake, batches, self._ctx.run_id)
        counts = self._counts()
        self._record(counts)
        self._delete_unused()
        return counts

    def reached_datasets(self) -> tuple[str, ...]:
        """Digests of datasets that hold an answer of a trace that is refused now: what was trained on them knows it."""
        stopped = {key for manifest in self._units for key, outcome in self._outcomes(manifest).items() if outcome.startswith(STOPPED)}
        digests: set[str] = set()
        for column in ("chosen_trace_id", "rejected_trace_id") if stopped else ():
            digests |= set(self._lake.among("datasets", (column, "dataset_digest"), stopped).column("dataset_digest").to_pylist())
        return tuple(sorted(digests))

    def _check_files(self) -> None:
        """See before the first commit that every staged file is as its manifest says.

        Raises:
            DataError: one is gone or not as written.
        """
        for manifest in self._waiting:
            for table, files in manifest.files.items():
                rows = self._lake.read_files(table, [file.path for file in files], ("trace_id",))
                for file, read in zip(files, rows, strict=True):
                    if read.num_rows != file.rows:
                        raise DataError(f"{file.path}: {read.num_rows} rows, its manifest says {file.rows}: run the shard again")

    def _join_torn(self) -> None:
        """Put together the traces that several units hold parts of: none of their shards saw the others' objects."""
        holders = Counter(trace_id for manifest in self._waiting for trace_id in manifest.by_trace)
        self._torn = {trace_id for trace_id, count in holders.items() if count > 1}
        if not self._torn:
            return
        torn = frozenset(self._torn)
        units = [manifest.unit for manifest in self._waiting if torn & manifest.by_trace.keys()]
        objects = {item.uri: item for unit in units for item in unit.objects}
        unit_ids = " ".join(unit.id for unit in units)
        joined = Unit(id=sha256_text(f"torn {unit_ids}")[:16], objects=tuple(item for _, item in sorted(objects.items())))
        key = load_key(self._ctx.config.govern, self._ctx.workdir)
        outcome = settle_unit(joined, self._lake, self._ctx.config, key, torn)
        # Their parts and scores are in the shards' own files.
        outcome.rows["trace_parts"], outcome.rows["feedback"] = [], []
        self._torn_owner = joined.id
        self._units.append(stage(joined, outcome, self._lake))

    def _is_kept(self, manifest: Manifest, trace_id: str) -> bool:
        """Whether a unit's rows of a trace count: those of a torn trace do in the joined unit alone."""
        return trace_id not in self._torn or manifest.unit.id == self._torn_owner

    def _outcomes(self, manifest: Manifest) -> dict[str, str]:
        """What became of a unit's traces after all units were looked at together."""
        kept = {trace_id: outcome for trace_id, outcome in manifest.by_trace.items() if self._is_kept(manifest, trace_id)}
        erased = {trace_id: STOPPED + "consent" for trace_id, outcome in kept.items() if outcome == WRITTEN and trace_id in self._erased}
        return kept | erased

    def _erased_ids(self) -> set[str]:
        """Traces of users that were erased after their shard looked."""
        erased = erased_users(self._lake)
        ids: set[str] = set()
        for manifest in self._units if erased else ():
            paths = [file.path for file in manifest.files.get("traces", ())]
            for rows in self._lake.read_files("traces", paths, ("trace_id", "user_hash")):
                pairs = zip(rows.column("trace_id").to_pylist(), rows.column("user_hash").to_pylist(), strict=True)
                ids |= {trace_id for trace_id, user in pairs if user in erased}
        return ids

    def _touched(self) -> set[str]:
        """Traces whose stored rows the units' rows replace or end."""
        return {
            trace_id
            for manifest in self._units
            for trace_id, outcome in self._outcomes(manifest).items()
            if outcome in (WRITTEN, AMENDED) or outcome.startswith(STOPPED)
        }

    def _adopt(self, table: str, batches: tuple[str, ...]) -> None:
        """Adopt the units' files of a table; of the trace tables, in the same commit, the earlier rows of their traces go."""
        paths = [path for manifest in self._units for path in self._final_files(table, manifest)]
        touched = self._touched() if table in TRACE_TABLES else set()
        if not paths and not touched:
            return
        others = ~row_filter({"ingest_batch": batches})

        def choose(opened: Table) -> tuple[list[str], Any]:
            if not touched or opened.current_snapshot() is None:
                return paths, None
            rows = among(opened.scan(row_filter=others, selected_fields=("trace_id", "date")), "trace_id", touched)
            ids = sorted(set(rows.column("trace_id").to_pylist()))
            dates = {day.isoformat() for day in rows.column("date").to_pylist()}
            return paths, row_filter({"date": dates, "trace_id": set(ids)}) & others if ids else None

        self._lake.adopt_files(table, choose, "ingest_batch", batches, run_id=self._ctx.run_id)
        self._adopted |= set(paths)

    def _final_files(self, table: str, manifest: Manifest) -> Iterator[str]:
        """Yield a unit's data files; one that holds rows of torn or erased traces is written anew without them."""
        if table in ("trace_parts", "feedback"):
            drop: set[str] = set()
        else:
            drop = {trace_id for trace_id in self._torn if not self._is_kept(manifest, trace_id)}
            drop |= self._erased if table in TRACE_TABLES else set()
        for file in manifest.files.get(table, ()):
            if not drop:
                yield file.path
                continue
            (rows,) = self._lake.read_files(table, [file.path], ())
            keep = _without(rows, drop)
            if keep.num_rows == file.rows:
                yield file.path
            elif keep.num_rows:
                yield from (staged.path for staged in self._lake.write_files(table, keep, f"staged-{manifest.unit.id}"))

    def _replace_rows(self, table: str, batches: tuple[str, ...]) -> None:
        """Replace the units' rows of `quarantine` or `gate_ledger`, and those that earlier units left of the same traces."""
        rows: list[dict[str, Any]] = []
        settled: set[str] = set()
        for manifest in self._units:
            outcomes = self._outcomes(manifest)
            settled |= {trace_id for trace_id, outcome in outcomes.items() if outcome not in (PENDING, AMENDED, KEPT)}
            entries = manifest.quarantine if table == "quarantine" else manifest.ledger
            for entry in entries:
                if not entry.trace_id or self._is_kept(manifest, entry.trace_id):
                    rows.append(entry.model_dump() | {"ingest_batch": manifest.unit.id})
        if table == "gate_ledger":
            rows = [*(row for row in rows if row["trace_id"] not in self._erased), *self._erased_rows()]
        elif rows:
            rows = self._new_places(rows, batches)
        others = ~row_filter({"ingest_batch": batches})
        stale = set(self._lake.among(table, ("trace_id",), settled, others).column("trace_id").to_pylist())
        if rows or stale or self._lake.scan(table, ("ingest_batch",), {"ingest_batch": batches}).num_rows:
            replacing = {"trace_id": stale} if stale else None
            self._lake.replace_batch(table, to_table(table, rows), "ingest_batch", batches, run_id=self._ctx.run_id, replacing=replacing)

    def _new_places(self, rows: list[dict[str, Any]], batches: tuple[str, ...]) -> list[dict[str, Any]]:
        """Rows of `quarantine` without the places that another batch or an earlier unit holds."""
        key = ("source_uri", "offset", "reason")
        stored = self._lake.among("quarantine", key, [row["source_uri"] for row in rows], ~row_filter({"ingest_batch": batches}))
        seen = set(zip(*(stored.column(name).to_pylist() for name in key), strict=True))
        new = []
        for row in rows:
            place = tuple(row[name] for name in key)
            if row["trace_id"] or place not in seen:
                new.append(row)
                seen.add(place)
        return new

    def _erased_rows(self) -> Iterator[dict[str, Any]]:
        now = datetime.now(UTC)
        for manifest in self._units:
            for trace_id in sorted(self._erased & {key for key, outcome in manifest.by_trace.items() if outcome == WRITTEN}):
                if self._is_kept(manifest, trace_id):
                    row = {"trace_id": trace_id, "gate": "consent", "rule": "user-erased", "action": "stopped", "detail": "", "at": now}
                    yield row | {"ingest_batch": manifest.unit.id}

    def _counts(self) -> dict[str, Counts]:
        """Counts of every unit; a torn trace counts in the first unit that holds it."""
        joined = next((self._outcomes(manifest) for manifest in self._units if manifest.unit.id == self._torn_owner), {})
        result: dict[str, Counts] = {}
        masked = {entry.trace_id for manifest in self._units for entry in manifest.ledger if entry.action == "masked"}
        left = dict(joined)
        for manifest in self._waiting:
            outcomes = self._outcomes(manifest)
            outcomes |= {trace_id: left.pop(trace_id) for trace_id in [key for key in manifest.by_trace if key in left]}
            written = {trace_id for trace_id, outcome in outcomes.items() if outcome == WRITTEN}
            places = sum(not entry.trace_id for entry in manifest.quarantine)
            result[manifest.unit.id] = count(outcomes, places, manifest.spans, len(masked & written))
        return result

    def _record(self, counts: dict[str, Counts]) -> None:
        """Record that the objects were read and the units are done: what hides them from the next plan comes last."""
        import pyarrow as pa

        now = datetime.now(UTC)
        units = [manifest.unit for manifest in self._waiting]
        objects = [
            {"uri": item.uri, "etag": item.etag, "bytes": item.bytes, "shard": unit.shard, "shards": unit.shards}
            | {"ingest_batch": unit.id, "seen_at": now}
            for unit in units
            for item in unit.objects
        ]
        if objects:
            batches = tuple(unit.id for unit in units)
            self._lake.replace_batch("objects", to_table("objects", objects), "ingest_batch", batches, run_id=self._ctx.run_id)
        rows: list[dict[str, Any]] = []
        for unit in units:
            payload = {"unit": unit.id, "shard": unit.shard, "shards": unit.shards, "counts": asdict(counts[unit.id])}
            record = {"run_id": self._ctx.run_id, "stage": UNIT_STAGE, "payload_json": canonical_json(payload), "at": now}
            rows.append(record | {"record_key": f"{UNIT_STAGE}:{unit.id}"})
        keys = tuple(str(row["record_key"]) for row in rows)
        self._lake.replace_batch("runs", pa.Table.from_pylist(rows), "record_key", keys, run_id=self._ctx.run_id)

    def _delete_unused(self) -> None:
        """Delete the staged files that were written anew: they hold rows that the tables must not."""
        for table in (*TRACE_TABLES, *AMENDMENTS):
            unused = {file.path for manifest in self._units for file in manifest.files.get(table, ())} - self._adopted
            if unused:
                paths = [plain(path) for path in sorted(unused)]
                self._lake.upkeep(table, partial(delete_paths, paths=paths))


def _without(rows: pa.Table, trace_ids: Iterable[str]) -> pa.Table:
    """Rows of other traces."""
    import pyarrow as pa
    import pyarrow.compute as pc

    dropped = pa.array(sorted(trace_ids), rows.schema.field("trace_id").type)
    return rows.filter(pc.invert(pc.is_in(rows.column("trace_id"), value_set=dropped)))
