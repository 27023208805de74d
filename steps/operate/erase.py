"""Step `erase`: take one user's data out of the lake, down to the bytes, and keep it out."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from steps.contract.files import canonical_json
from steps.contract.refs import Frozen
from steps.contract.spec import StepContext
from steps.govern.identity import keyed_hash, load_key
from steps.operate.pending_erasures import open_erasures
from steps.store.lake import open_lake
from steps.store.lake_maintenance import current_files, data_files, delete_paths, loose_files, plain, purge, read_columns, referenced
from steps.store.lake_rows import either
from steps.store.registry import open_registry

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from steps.store.lake import Lake

# Columns by which a row of each table is recognised as the user's.


COLUMNS: dict[str, tuple[str, ...]] = {
    "datasets": ("prompt_key", "chosen_trace_id", "rejected_trace_id", "dataset_digest"),
    "labels": ("trace_id",),
    "gate_ledger": ("trace_id",),
    **dict.fromkeys(("generations", "claims", "feedback", "trace_parts", "quarantine"), ("trace_id",)),
    "traces": ("user_hash", "trace_id", "prompt_key"),
}


class Params(Frozen):
    """Whose data. Give one of the two."""

    user: str = Field(default="", max_length=1000, description="user id as the sources give it; it is hashed at once and written nowhere")
    user_hash: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="its keyed hash, for callers that must not carry the id (workflow parameters are kept for weeks)",
    )
    requested_by: str = Field(default="", max_length=200, description="who asked for it, for the record")

    @model_validator(mode="after")
    def _one_user(self) -> Params:
        if bool(self.user) == bool(self.user_hash):
            raise ValueError("give either --user or --user-hash")
        return self


class Result(Frozen):
    """What was taken out."""

    user_hash: str = Field(description="the user as the lake knows it")
    traces: int = Field(description="rows deleted from `traces`")
    labels: int = Field(description="rows deleted from `labels`")
    dataset_rows: int = Field(description="rows deleted from `datasets`")
    datasets: tuple[str, ...] = Field(description="digests of datasets that held the user's text; their files are deleted")
    models: tuple[str, ...] = Field(description="registered versions that were trained on these datasets; what they learned is not undone")
    expired_snapshots: int = Field(description="snapshots that cannot be read any more")
    deleted_files: int = Field(description="files deleted")
    pending_files: int = Field(description="unreferenced files that are too young to delete (a write may be in progress)")
    complete: bool = Field(description="no file of the lake or the artifacts holds the user's data; false while files are pending")
    next_step: str = Field(description="what to do next; empty when nothing is left")
    open_erasures: int = Field(default=0, description="erasures of all users that were asked for and are not complete")
    oldest_open_erasure_s: float = Field(
        default=0.0, description="when the oldest of them was asked for, in seconds since 1970; 0: there is none"
    )


def run(params: Params, ctx: StepContext) -> Result:
    """Write the user's tombstone first, then delete rows, snapshots and files; may be repeated at any point.

    Raises:
        ConfigError, AccessError: the key that hashes users is missing or may not be read.
        TransientError: the lake or the registry does not answer, or other writers won every race.
    """
    user_hash = params.user_hash or keyed_hash(load_key(ctx.config.govern, ctx.workdir), params.user)
    owned, deleted = Belongings(user_hash), Deleted()
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("erasing", total=len(COLUMNS), unit="tables") as task:
        _write_tombstone(lake, user_hash, {"requested_by": params.requested_by}, ctx.run_id)
        lake.upkeep("traces", partial(_collect, owned=owned))
        lake.upkeep("datasets", partial(_collect_digests, owned=owned))
        known = _write_tombstone(lake, user_hash, {"datasets": sorted(owned.digests)}, ctx.run_id)
        for table in COLUMNS:
            task.note(table)
            _erase_rows(lake, table, owned, deleted, ctx.run_id)
            lake.upkeep(
                table,
                partial(_erase_files, table=table, owned=owned, deleted=deleted, age=timedelta(hours=ctx.config.upkeep.inflight_hours)),
            )
            task.advance()
        digests = tuple(sorted(known["datasets"]))
        deleted.files += _delete_dataset_files(ctx.artifacts, digests) + _delete_reports(ctx.workdir / "runs", digests)
        models = _models(ctx, digests)
        result = _result(user_hash, deleted, digests, models, ctx)
        _write_tombstone(
            lake, user_hash, {"models": list(models), "complete": result.complete, "rows": sum(deleted.rows.values())}, ctx.run_id
        )
        count, oldest_s = open_erasures(lake)
    return result.model_copy(update={"open_erasures": count, "oldest_open_erasure_s": oldest_s})


@dataclass
class Belongings:
    """What is the user's: the hash, ids of traces, keys of prompts, digests of datasets with any of these."""

    user_hash: str
    trace_ids: set[str] = field(default_factory=set)
    prompt_keys: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)


@dataclass
class Deleted:
    """What was deleted and what could not be yet."""

    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))
    snapshots: int = 0
    files: int = 0
    pending: int = 0


def _write_tombstone(lake: Lake, user_hash: str, facts: dict[str, Any], run_id: str) -> dict[str, Any]:
    """Write or complete the user's tombstone; returns what it says. Lists and row counts of earlier attempts are kept."""
    import pyarrow as pa

    rows = lake.scan("erasures", where={"user_hash": user_hash}).to_pylist()
    earlier: dict[str, Any] = json.loads(rows[0]["payload_json"] or "{}") if rows else {}
    merged: dict[str, Any] = {"datasets": [], "models": [], "rows": 0} | earlier
    merged |= {name: value for name, value in facts.items() if name not in ("datasets", "models", "rows")}
    for name in ("datasets", "models"):
        merged[name] = sorted(set(merged[name]) | set(facts.get(name, ())))
    merged["rows"] += facts.get("rows", 0)
    if rows and merged == earlier:
        return merged
    row = {
        "user_hash": user_hash,
        "run_id": run_id,
        "requested_at": rows[0]["requested_at"] if rows and rows[0]["requested_at"] else datetime.now(UTC),
        "payload_json": canonical_json(merged),
    }
    lake.replace_batch("erasures", pa.Table.from_pylist([row]), "user_hash", user_hash, run_id=run_id)
    return merged


def _tables(opened: Table, columns: tuple[str, ...]) -> list[tuple[str, pa.Table]]:
    """(path, columns) of every data file below a table, whether a snapshot holds it or none."""
    paths = {plain(path) for path in data_files(opened)} | {item.path for item in loose_files(opened) if item.path.endswith(".parquet")}
    read = ((path, read_columns(opened, path, columns)) for path in sorted(paths))
    return [(path, rows) for path, rows in read if rows is not None]


def _collect(opened: Table, owned: Belongings) -> None:
    """The user's trace ids and prompt keys, from every file of `traces`."""
    import pyarrow.compute as pc

    for _, rows in _tables(opened, COLUMNS["traces"]):
        mine = rows.filter(pc.equal(rows.column("user_hash"), owned.user_hash))
        owned.trace_ids |= set(mine.column("trace_id").to_pylist())
        owned.prompt_keys |= set(mine.column("prompt_key").to_pylist()) - {None}


def _collect_digests(opened: Table, owned: Belongings) -> None:
    """Datasets that hold the user's text, from every file of `datasets`."""
    for _, rows in _tables(opened, COLUMNS["datasets"]):
        owned.digests |= set(rows.filter(_mine(rows, "datasets", owned)).column("dataset_digest").to_pylist())


def _mine(rows: pa.Table, table: str, owned: Belongings) -> Any:
    """Which rows are the user's, as a mask."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mask: Any = pa.array([False] * rows.num_rows)
    for column, values in _wanted(table, owned).items():
        array = rows.column(column)
        mask = pc.or_(mask, pc.is_in(array, value_set=pa.array(sorted(values), array.type)))
    return mask


def _wanted(table: str, owned: Belongings) -> dict[str, set[str]]:
    """Column -> values that make a row the user's; a row is if any column says so."""
    if table == "traces":
        return {"user_hash": {owned.user_hash}}
    if table == "datasets":
        return {"prompt_key": owned.prompt_keys, "chosen_trace_id": owned.trace_ids, "rejected_trace_id": owned.trace_ids}
    return {"trace_id": owned.trace_ids}


def _erase_rows(lake: Lake, table: str, owned: Belongings, deleted: Deleted, run_id: str) -> None:
    """Delete the user's rows of the newest snapshot."""
    condition: Any = None
    for column, values in _wanted(table, owned).items():
        term = {column: values}
        condition = term if condition is None else either(condition, term)
    rows = lake.scan(table, COLUMNS[table][:1], condition).num_rows
    if rows:
        lake.delete_rows(table, condition, run_id=run_id)
    deleted.rows[table] += rows


def _erase_files(opened: Table, table: str, owned: Belongings, deleted: Deleted, age: timedelta) -> None:
    """Expire the snapshots that still hold the user's rows, and delete the files that go with them.

    A file that no snapshot ever held may belong to a write in progress: it waits until it is old enough.
    """
    dirty = {path for path, rows in _tables(opened, tuple(_wanted(table, owned))) if _any(_mine(rows, table, owned))}
    if not dirty:
        return
    before = referenced(opened)
    expired, purged = purge(opened, lambda snapshot: bool(dirty & {plain(path) for path in current_files(opened, snapshot.snapshot_id)}))
    after = referenced(opened.refresh())
    orphans = {item.path: datetime.now(UTC) - item.written for item in loose_files(opened) if item.path in dirty - before}
    ripe = {path for path, old in orphans.items() if old >= age}
    deleted.snapshots += expired
    deleted.files += purged + delete_paths(opened, sorted(ripe))
    deleted.pending += len(orphans.keys() - ripe) + len(dirty & after)


def _any(mask: Any) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(mask).as_py())


def _delete_dataset_files(artifacts: Path, digests: tuple[str, ...]) -> int:
    """Delete the dataset files; a training that has not begun finds that its dataset is gone."""
    count = 0
    for digest in digests:
        path = artifacts / "datasets" / f"{digest}.jsonl"
        # What `nemo-prepare` made of it.
        rows = [file for file in path.with_suffix("").rglob("*") if file.is_file()]
        for file in (path, *rows):
            if file.exists():
                file.unlink()
                count += 1
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    return count


def _delete_reports(runs: Path, digests: tuple[str, ...]) -> int:
    """Delete the local loop's reports that show examples from one of the datasets."""
    count = 0
    for report in sorted(runs.glob("*/report.json")):
        text = report.read_text(encoding="utf-8")
        if any(digest in text for digest in digests):
            for path in (report.with_suffix(".html"), report):
                count += path.exists()
                path.unlink(missing_ok=True)
    return count


def _models(ctx: StepContext, digests: tuple[str, ...]) -> tuple[str, ...]:
    """Registered versions whose lineage names one of the datasets."""
    if not digests:
        return ()

    client, name = open_registry(ctx.config, ctx.workdir), ctx.config.model_name
    versions = {version for digest in digests for version in client.find_versions(name, "ctp.dataset-sha256", digest)}
    return tuple(f"{name}@{version}" for version in sorted(versions))


def _result(user_hash: str, deleted: Deleted, digests: tuple[str, ...], models: tuple[str, ...], ctx: StepContext) -> Result:
    steps = []
    if deleted.pending:
        steps.append(
            f"{deleted.pending} files may belong to a write in progress: run erase again in {ctx.config.upkeep.inflight_hours:g} h"
        )
    if models:
        steps.append(f"decide whether {', '.join(models)} must be retrained without this user")
    return Result(
        user_hash=user_hash,
        traces=deleted.rows["traces"],
        labels=deleted.rows["labels"],
        dataset_rows=deleted.rows["datasets"],
        datasets=digests,
        models=models,
        expired_snapshots=deleted.snapshots,
        deleted_files=deleted.files,
        pending_files=deleted.pending,
        complete=deleted.pending == 0,
        next_step="; ".join(steps),
    )
