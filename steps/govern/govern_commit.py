"""Step `govern-commit`: commit the files of many units' shards, one commit a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from steps.contract.errors import DataError, UsageError
from steps.contract.refs import ArtifactRef, FromJson, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.govern.batch import Counts, finished_units
from steps.govern.commit import Commit
from steps.govern.manifest import Manifest, delete_manifests, read_manifest
from steps.store.lake import open_lake
from steps.store.unit_plan import plan_watermarks, read_plan
from steps.store.watermarks import write_watermarks


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
    written: int = Field(description="traces committed, new or in the place of their earlier row")
    quarantined: int = Field(description="lines, rows and span groups that gave no trace")
    duplicates: int = Field(description="traces that came again and did not change")
    stopped: int = Field(description="traces that a gate stopped; the sum of `by_gate`")
    masked: int = Field(description="traces written with something masked")
    by_gate: dict[str, int] = Field(description="traces stopped by each gate: pii, consent, region, confidentiality")
    stopped_pii: int = Field(default=0, description="the same one by one, for metrics")
    stopped_consent: int = Field(default=0, description="likewise")
    stopped_region: int = Field(default=0, description="likewise")
    stopped_confidentiality: int = Field(default=0, description="likewise")
    snapshot_id: int = Field(description="snapshot of `traces`; 0 when nothing was ever written")
    datasets: tuple[str, ...] = Field(
        default=(), description="digests of datasets that hold a trace which is refused now; `ctp trace` names the models, too"
    )


def run(params: Params, ctx: StepContext) -> Result:
    """Commit every unit that is not committed yet.

    A trace that several units hold parts of is put together here from all of them, and a user erased meanwhile does not
    come back. Order of the commits: claims and feedback, which refuse and amend at once; quarantine and ledger; traces,
    which also lose what was withdrawn; generations; parts; last the objects and the records that the units are done.

    Raises:
        DataError: a shard is missing, or one of its files is not what its manifest says.
        TransientError: the lake does not answer or other writers won every race.
    """
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("committing", unit="units") as task:
        done = finished_units(lake)
        unit_ids = _unit_ids(params)
        waiting = _waiting(params, ctx, unit_ids, done)
        datasets: tuple[str, ...] = ()
        if waiting:
            commit = Commit(lake, waiting, ctx)
            done |= commit.run()
            datasets = commit.reached_datasets()
        task.advance(len(waiting))
        if params.plan is not None:
            write_watermarks(lake, plan_watermarks(params.plan), ctx.run_id)
        traces = lake.current("traces")
    for unit_id in unit_ids:
        delete_manifests(ctx.artifacts, unit_id)
    total = Counts()
    for unit_id in unit_ids:
        total.add(done[unit_id])
    return _result(total, traces, datasets)


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


def _result(total: Counts, traces: TableRef, datasets: tuple[str, ...]) -> Result:
    """Result of the summed counts."""
    by_gate: dict[str, Any] = {f"stopped_{gate}": count for gate, count in total.by_gate.items()}
    return Result(
        datasets=datasets, traces=traces, snapshot_id=traces.snapshot_id, stopped=sum(total.by_gate.values()), **by_gate, **asdict(total)
    )
