"""Step `govern-commit`: commit the files of many units' shards, one commit a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from steps.contract.errors import DataError, UsageError
from steps.contract.files import canonical_json
from steps.contract.refs import ArtifactRef, FromJson, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.govern.batch import Counts, drop_erased, erased_users, finished_units
from steps.govern.manifest import Manifest, delete_manifests, read_manifest
from steps.govern.rows import to_table
from steps.store.lake import open_lake
from steps.store.lake_maintenance import delete_paths, plain
from steps.store.lake_rows import among, row_filter
from steps.store.unit_plan import read_plan
from steps.store.units import UNIT_STAGE

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from steps.store.lake import Lake


class Params(Frozen):
    """Shards to commit: their manifests, or the plan whose units were all governed."""

    shards: Annotated[tuple[ArtifactRef, ...], FromJson] = Field(default=(), description="manifests of `govern-shard`, as a JSON list")
    plan: ArtifactRef | None = Field(
        default=None, description="the plan that `ingest` or `backfill` wrote; every unit of it must have been governed"
    )


class Result(Frozen):
    """Counts of the units; a unit that was done before counts as it did then.

    `read == written + quarantined + stopped + duplicates`.
    """

    traces: TableRef = Field(description="the traces table after the last commit")
    read: int = Field(description="traces, plus lines, rows and span groups that gave none")
    spans: int = Field(description="spans and observations read")
    written: int = Field(description="traces committed")
    quarantined: int = Field(description="lines, rows and span groups that gave no trace")
    duplicates: int = Field(description="traces that were in the lake already")
    stopped: int = Field(description="traces that a gate stopped; the sum of `by_gate`")
    masked: int = Field(description="traces written with something masked")
    by_gate: dict[str, int] = Field(description="traces stopped by each gate: pii, consent, region, confidentiality")
    stopped_pii: int = Field(default=0, description="the same one by one, for metrics")
    stopped_consent: int = Field(default=0, description="likewise")
    stopped_region: int = Field(default=0, description="likewise")
    stopped_confidentiality: int = Field(default=0, description="likewise")
    snapshot_id: int = Field(description="snapshot of `traces`; 0 when nothing was ever written")


@dataclass
class ReconciledUnit:
    """A unit after its reconciliation with all other units.

    Attributes:
        manifest: what its shard wrote.
        drop: trace ids that its data files hold and the table must not.
        ledger: rows of `gate_ledger`.
        counts: what became of its traces.
    """

    manifest: Manifest
    drop: set[str] = field(default_factory=set)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def run(params: Params, ctx: StepContext) -> Result:
    """Commit every unit that is not committed yet.

    The tables end up as if the units had been committed one after another: a trace that two units hold belongs to the
    earlier one, and a user erased meanwhile does not come back. Order of the commits: quarantine, ledger, traces, then the
    records that the units are done.

    Raises:
        DataError: a shard is missing, or one of its files is not what its manifest says.
        TransientError: the lake does not answer or other writers won every race.
    """
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("committing", unit="units") as task:
        done = finished_units(lake)
        unit_ids = _unit_ids(params)
        waiting = _waiting(params, ctx, unit_ids, done)
        if waiting:
            done |= _commit(lake, waiting, ctx.run_id)
        task.advance(len(waiting))
        traces = lake.current("traces")
    for unit_id in unit_ids:
        delete_manifests(ctx.artifacts, unit_id)
    total = Counts()
    for unit_id in unit_ids:
        total.add(done[unit_id])
    return _result(total, traces)


def _unit_ids(params: Params) -> list[str]:
    """Ids of the units in the order of the plan; a manifest's folder is named after its unit."""
    if params.plan is not None:
        return [unit.id for unit in read_plan(params.plan)]
    if not params.shards:
        raise UsageError("nothing to commit is named: give --shards (a JSON list of manifests) or --plan")
    return list(dict.fromkeys(Path(shard.local_path()).parent.name for shard in params.shards))


def _waiting(params: Params, ctx: StepContext, unit_ids: list[str], done: dict[str, Counts]) -> list[Manifest]:
    """Manifests of the units that are not committed.

    Raises:
        DataError: a unit has no manifest, or one of another unit.
    """
    named = {Path(shard.local_path()).parent.name: shard for shard in params.shards}
    waiting = []
    for unit_id in unit_ids:
        if unit_id in done:
            continue
        shard = named.get(unit_id)
        manifest = read_manifest(ctx.artifacts, unit_id, shard.sha256 if shard else "")
        if manifest.unit.id != unit_id or manifest.done:
            raise DataError(f"unit {unit_id}: its manifest does not fit it: run govern-shard for it again")
        waiting.append(manifest)
    return waiting


def _commit(lake: Lake, waiting: list[Manifest], run_id: str) -> dict[str, Counts]:
    """Commit table by table; the counts of every unit."""
    batches = tuple(manifest.unit.id for manifest in waiting)
    ours, others = _waiting_ids(lake, waiting), ~row_filter({"ingest_batch": batches})
    before = lake.current("traces").snapshot_id
    stored_ids = _trace_ids(lake.among("traces", ("trace_id",), ours, others))
    units = _reconcile(lake, waiting, stored_ids)
    quarantine = [[entry.model_dump() for entry in unit.manifest.quarantine] for unit in units]
    _replace_batches(lake, "quarantine", batches, quarantine, ("source_uri", "offset", "reason"), run_id)
    _replace_batches(lake, "gate_ledger", batches, [unit.ledger for unit in units], ("trace_id", "gate", "rule"), run_id)

    adopted: list[str] = []
    against = stored_ids

    def choose(opened: Table) -> list[str]:
        nonlocal against
        snapshot = opened.current_snapshot()
        now_stored = stored_ids
        if snapshot is not None and snapshot.snapshot_id != before:
            now_stored = _trace_ids(among(opened.scan(row_filter=others, selected_fields=("trace_id",)), "trace_id", ours))
        if now_stored != against:
            units[:], against = _reconcile(lake, waiting, now_stored), now_stored
        adopted[:] = [path for unit in units for path in _final_files(lake, unit)]
        return adopted

    lake.adopt_files("traces", choose, "ingest_batch", batches, run_id=run_id)
    erased_rows = drop_erased(lake, batches, run_id)
    if erased_rows:
        units[-1].counts.by_gate["consent"] += erased_rows
        units[-1].counts.written -= erased_rows
    _record(lake, units, run_id)
    _delete_unused(lake, waiting, adopted)
    return {unit.manifest.unit.id: unit.counts for unit in units}


def _waiting_ids(lake: Lake, waiting: list[Manifest]) -> set[str]:
    """Ids of all traces that wait or were stopped; the commit looks up no others.

    Raises:
        DataError: before the first commit, when a staged file is gone or not as written.
    """
    ids: set[str] = set()
    for manifest in waiting:
        ids |= {entry.trace_id for entry in manifest.ledger}
        rows = lake.read_files("traces", [file.path for file in manifest.files], ("trace_id",))
        for file, table in zip(manifest.files, rows, strict=True):
            if table.num_rows != file.rows:
                raise DataError(f"{file.path}: {table.num_rows} rows, its manifest says {file.rows}: run the shard again")
            ids |= _trace_ids(table)
    return ids


def _trace_ids(rows: Any) -> set[str]:
    return set(rows.column("trace_id").to_pylist())


def _reconcile(lake: Lake, waiting: list[Manifest], stored_ids: set[str]) -> list[ReconciledUnit]:
    """Reconcile the units in their order."""
    erased, taken = erased_users(lake), set(stored_ids)
    result = []
    for manifest in waiting:
        unit = _reconcile_unit(lake, manifest, taken, erased)
        result.append(unit)
    return result


def _reconcile_unit(lake: Lake, manifest: Manifest, taken: set[str], erased: set[str]) -> ReconciledUnit:
    """Reconcile one unit with the trace ids that are taken; add the ids that it keeps."""
    unit = ReconciledUnit(manifest, counts=Counts(**{**manifest.counts, "by_gate": dict(manifest.counts["by_gate"])}))
    now = datetime.now(UTC)
    ids: dict[str, str] = {}
    for rows in lake.read_files("traces", [file.path for file in manifest.files], ("trace_id", "user_hash")):
        ids |= dict(zip(rows.column("trace_id").to_pylist(), rows.column("user_hash").to_pylist(), strict=True))
    stopped = {entry.trace_id for entry in manifest.ledger if entry.action == "stopped"}
    repeated = (ids.keys() | stopped) & taken
    erased_ids = {trace_id for trace_id, user in ids.items() if user in erased} - repeated
    unit.drop = (repeated & ids.keys()) | erased_ids
    unit.ledger = [entry.model_dump() for entry in manifest.ledger if entry.trace_id not in repeated | erased_ids]
    for entry in manifest.ledger:
        if entry.action == "stopped" and entry.trace_id in repeated:
            unit.counts.by_gate[entry.gate] -= 1
    for trace_id in sorted(erased_ids):
        unit.ledger.append({"trace_id": trace_id, "gate": "consent", "rule": "user-erased", "action": "stopped", "at": now})
    unit.counts.by_gate["consent"] += len(erased_ids)
    unit.counts.masked = len({row["trace_id"] for row in unit.ledger if row["action"] == "masked"})
    unit.counts.duplicates += len(repeated)
    unit.counts.written = len(ids) - len(unit.drop)
    unit.counts.quarantined = len(manifest.quarantine)
    unit.counts.read += unit.counts.quarantined
    taken |= ids.keys() - unit.drop
    return unit


def _final_files(lake: Lake, unit: ReconciledUnit) -> Iterator[str]:
    """Yield the unit's data files; write one that holds rows to drop anew without them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for file in unit.manifest.files:
        if not unit.drop:
            yield file.path
            continue
        (rows,) = lake.read_files("traces", [file.path], ())
        keep = rows.filter(
            pc.invert(pc.is_in(rows.column("trace_id"), value_set=pa.array(sorted(unit.drop), rows.schema.field("trace_id").type)))
        )
        if keep.num_rows == file.rows:
            yield file.path
        elif keep.num_rows:
            yield from (staged.path for staged in lake.write_files("traces", keep, f"staged-{unit.manifest.unit.id}"))


def _delete_unused(lake: Lake, waiting: list[Manifest], adopted: list[str]) -> None:
    """Delete the staged files that were written anew: they hold rows that the table must not."""
    unused = {file.path for manifest in waiting for file in manifest.files} - set(adopted)
    if unused:
        lake.upkeep("traces", lambda opened: delete_paths(opened, [plain(path) for path in sorted(unused)]))


def _replace_batches(
    lake: Lake, table: str, batches: tuple[str, ...], units: list[list[dict[str, Any]]], key: tuple[str, ...], run_id: str
) -> None:
    """Replace the units' batches of a table; a row that another batch or an earlier unit holds is left out."""
    others = ~row_filter({"ingest_batch": batches})
    stored = lake.among(table, key, [entry[key[0]] for entries in units for entry in entries], others) if any(units) else None
    stored_keys = set(zip(*(stored.column(name).to_pylist() for name in key), strict=True)) if stored is not None else set()
    rows: list[dict[str, Any]] = []
    for batch, entries in zip(batches, units, strict=True):
        new_rows = [entry for entry in entries if tuple(entry[name] for name in key) not in stored_keys]
        stored_keys |= {tuple(entry[name] for name in key) for entry in new_rows}
        rows += [{**entry, "ingest_batch": batch} for entry in new_rows]
    if rows or lake.scan(table, ("ingest_batch",), {"ingest_batch": batches}).num_rows:
        lake.replace_batch(table, to_table(table, rows), "ingest_batch", batches, run_id=run_id)


def _record(lake: Lake, units: list[ReconciledUnit], run_id: str) -> None:
    """Record in one commit that the units are done."""
    import pyarrow as pa

    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    keys: list[str] = []
    for unit in units:
        planned = unit.manifest.unit
        payload = {
            "unit": planned.id,
            "shard": planned.shard,
            "shards": planned.shards,
            "sha256": [item.sha256 for item in planned.files],
            "counts": asdict(unit.counts),
        }
        keys.append(f"{UNIT_STAGE}:{planned.id}")
        rows.append({"run_id": run_id, "stage": UNIT_STAGE, "payload_json": canonical_json(payload), "at": now, "record_key": keys[-1]})
    lake.replace_batch("runs", pa.Table.from_pylist(rows), "record_key", tuple(keys), run_id=run_id)


def _result(total: Counts, traces: TableRef) -> Result:
    """Result of the summed counts."""
    by_gate: dict[str, Any] = {f"stopped_{gate}": count for gate, count in total.by_gate.items()}
    return Result(traces=traces, snapshot_id=traces.snapshot_id, stopped=sum(total.by_gate.values()), **by_gate, **asdict(total))
