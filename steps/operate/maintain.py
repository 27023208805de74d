"""Step `maintain`: retention, compaction, snapshot expiry and deletion of unreferenced files."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from steps.contract.config import UpkeepConfig
from steps.contract.refs import Frozen
from steps.contract.spec import StepContext
from steps.govern.batch import erased_users
from steps.operate.pending_erasures import open_erasures
from steps.registry import prune_models as prune
from steps.store.lake import open_lake
from steps.store.lake_maintenance import delete_paths, expire, loose_files
from steps.store.lake_rows import either
from steps.store.schemas import TABLES

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from steps.store.lake import Lake

# A table without partitions is compacted as a whole, which must fit into memory.


MAX_WHOLE_BYTES = 512 << 20


class Params(Frozen):
    """When it is."""

    today: date | None = Field(
        default=None, description="the day that retention and closed dates count from; empty: the day it is now in UTC"
    )


class Result(Frozen):
    """What was done."""

    retired_traces: int = Field(description="traces deleted because they are older than `upkeep.retention_days`")
    retired_labels: int = Field(description="their labels")
    retired_datasets: int = Field(description="datasets that held text of them")
    compacted: int = Field(description="closed dates whose small files were rewritten into few")
    expired_snapshots: int = Field(description="snapshots that cannot be read any more")
    deleted_files: int = Field(description="unreferenced files deleted")
    freed_bytes: int = Field(description="their size")
    pending_files: int = Field(description="unreferenced files left because they are younger than `upkeep.inflight_hours`")
    pruned_models: tuple[str, ...] = Field(
        default=(), description="places of model files that were deleted; see `steps.registry.prune_models`"
    )
    open_erasures: int = Field(default=0, description="erasures that were asked for and are not complete")
    oldest_open_erasure_s: float = Field(
        default=0.0, description="when the oldest of them was asked for, in seconds since 1970; 0: there is none"
    )


def run(params: Params, ctx: StepContext) -> Result:
    """Maintain the lake and delete files of old models; may be killed and repeated at any point.

    No row within retention changes, and no file of the last champions goes.

    Raises:
        TransientError: the lake does not answer, or other writers won every race.
    """
    result = _maintain_lake(params, ctx)
    pruned = prune.run(prune.Params(), ctx)
    with open_lake(ctx.config, ctx.workdir) as lake:
        count, oldest_s = open_erasures(lake)
    rest = {"pruned_models": tuple(item.uri for item in pruned.deleted), "open_erasures": count, "oldest_open_erasure_s": oldest_s}
    return result.model_copy(update=rest)


@dataclass
class Counts:
    """Fields of `Result` that the parts add to."""

    retired_traces: int = 0
    retired_labels: int = 0
    retired_datasets: int = 0
    compacted: int = 0
    expired_snapshots: int = 0
    deleted_files: int = 0
    freed_bytes: int = 0
    pending_files: int = 0


def _maintain_lake(params: Params, ctx: StepContext) -> Result:
    """Retention, what erasure missed, compaction, snapshot expiry and file clean-up; each part may be killed and repeated."""
    config, counts = ctx.config.upkeep, Counts()
    today = params.today or datetime.now(UTC).date()
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("maintaining", total=len(TABLES), unit="tables") as task:
        _retire(lake, today - timedelta(days=config.retention_days), ctx, counts)
        for table in TABLES:
            counts.compacted += lake.upkeep(table, partial(_compact, today=today, config=config)) or 0
            lake.upkeep(table, partial(_clean, config=config, counts=counts))
            task.advance(1)
        _clean_artifacts(lake, ctx.artifacts, config, counts)
    return Result(**vars(counts))


def _retire(lake: Lake, cutoff: date, ctx: StepContext, counts: Counts) -> None:
    """Delete traces older than the cutoff and of erased users, then labels without a trace and datasets with old text."""
    from pyiceberg.expressions import LessThan

    bound: Any = LessThan
    condition: Any = bound("date", cutoff.isoformat())
    erased = erased_users(lake)
    if erased:
        condition = either(condition, {"user_hash": erased})
    old = lake.scan("traces", ("trace_id", "prompt_key"), condition)
    if old.num_rows:
        counts.retired_datasets = _retire_datasets(lake, set(old.column("prompt_key").to_pylist()) - {None}, ctx)
        lake.delete_rows("traces", condition, run_id=ctx.run_id)
        ids = set(old.column("trace_id").to_pylist())
        for table in ("generations", "claims", "feedback", "trace_parts"):
            lake.delete_rows(table, {"trace_id": ids}, run_id=ctx.run_id)
        counts.retired_traces = old.num_rows
    kept = set(lake.scan("traces", ("trace_id",)).column("trace_id").to_pylist())
    orphans = set(lake.scan("labels", ("trace_id",)).column("trace_id").to_pylist()) - kept
    if orphans:
        counts.retired_labels = lake.scan("labels", ("trace_id",), {"trace_id": orphans}).num_rows
        lake.delete_rows("labels", {"trace_id": orphans}, run_id=ctx.run_id)


def _retire_datasets(lake: Lake, prompt_keys: set[str], ctx: StepContext) -> int:
    """Delete every dataset that holds one of the prompts: a dataset without some of its rows is of no use."""
    digests = set(lake.scan("datasets", ("dataset_digest",), {"prompt_key": prompt_keys}).column("dataset_digest").to_pylist())
    if digests:
        lake.delete_rows("datasets", {"dataset_digest": digests}, run_id=ctx.run_id)
    return len(digests)


def _compact(table: Table, today: date, config: UpkeepConfig) -> int:
    """Rewrite closed dates, or small tables without dates, that lie in too many files; how many of them."""
    from pyiceberg.expressions import AlwaysTrue, EqualTo

    if table.current_snapshot() is None:
        return 0
    summary = {"ctp.maintenance": "compact"}
    if not table.spec().fields:
        files = [task.file for task in table.scan().plan_files()]
        if len(files) <= config.compact_files or sum(file.file_size_in_bytes for file in files) > MAX_WHOLE_BYTES:
            return 0
        table.overwrite(table.scan().to_arrow(), overwrite_filter=AlwaysTrue(), snapshot_properties=summary)
        return 1
    days = _crowded_days(table, config.compact_files)
    equal: Any = EqualTo
    for day in days:
        if day >= today - timedelta(days=1):
            continue
        here = equal("date", day.isoformat())
        table.overwrite(table.scan(row_filter=here).to_arrow(), overwrite_filter=here, snapshot_properties=summary)
        table.refresh()
    return sum(day < today - timedelta(days=1) for day in days)


def _crowded_days(table: Table, limit: int) -> list[date]:
    """Dates with a partition of more than `limit` files, oldest first."""
    place = [item.name for item in table.spec().fields].index("date")
    files: Counter[tuple[Any, ...]] = Counter()
    for task in table.scan().plan_files():
        partition = task.file.partition
        files[tuple(partition[index] for index in range(len(table.spec().fields)))] += 1
    crowded = {key[place] for key, count in files.items() if count > limit}
    return sorted(value if isinstance(value, date) else date(1970, 1, 1) + timedelta(days=value) for value in crowded)


def _clean(table: Table, config: UpkeepConfig, counts: Counts) -> None:
    """Expire old snapshots that nobody tagged, then delete what nothing refers to and no writer can still need."""
    now = datetime.now(UTC)
    oldest = (now - timedelta(days=config.snapshot_days)).timestamp() * 1000
    counts.expired_snapshots += expire(table, lambda snapshot: snapshot.timestamp_ms < oldest)
    loose = loose_files(table.refresh())
    ripe = [item for item in loose if now - item.written >= timedelta(hours=config.inflight_hours)]
    counts.deleted_files += delete_paths(table, [item.path for item in ripe])
    counts.freed_bytes += sum(item.bytes for item in ripe)
    counts.pending_files += len(loose) - len(ripe)


def _clean_artifacts(lake: Lake, artifacts: Path, config: UpkeepConfig, counts: Counts) -> None:
    """Delete dataset files that the lake does not know any more, and old plans and shard files."""
    known = set(lake.scan("datasets", ("dataset_digest",)).column("dataset_digest").to_pylist())
    ripe = datetime.now(UTC).timestamp() - config.inflight_hours * 3600
    for path in [*(artifacts / "datasets").glob("*.jsonl"), *(artifacts / "plans").glob("*.json")]:
        if path.stem not in known and path.stat().st_mtime <= ripe:
            counts.freed_bytes += path.stat().st_size
            counts.deleted_files += 1
            path.unlink()
    # What `nemo-prepare` made of a dataset goes with it.
    made_of = [path for path in (artifacts / "datasets").glob("*") if path.is_dir() and path.name not in known]
    for folder in [*made_of, *(artifacts / "shards" / "govern").glob("*"), *(artifacts / "shards" / "label").glob("*")]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        if max((path.stat().st_mtime for path in files), default=0.0) <= ripe:
            counts.freed_bytes += sum(path.stat().st_size for path in files)
            counts.deleted_files += len(files)
            shutil.rmtree(folder, ignore_errors=True)
