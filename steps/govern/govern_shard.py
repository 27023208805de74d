"""Step `govern-shard`: send one unit through the four gates into data files that no table knows yet."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from steps.contract.errors import DataError, UsageError
from steps.contract.refs import ArtifactRef, FromJson, Frozen
from steps.contract.spec import StepContext
from steps.govern.batch import STOPPED, WRITTEN, finished_units, settle_unit
from steps.govern.identity import load_key
from steps.govern.manifest import Manifest, write_manifest
from steps.govern.staging import stage
from steps.store.lake import open_lake
from steps.store.unit_plan import read_plan
from steps.store.units import Unit


class Params(Frozen):
    """Which unit."""

    unit: Annotated[Unit | str, FromJson] = Field(
        description="a unit as JSON, or its id in `plan`; the id keeps arguments short when a unit has thousands of files"
    )
    plan: ArtifactRef | None = Field(default=None, description="the plan that `ingest` or `backfill` wrote; needed with an id")


class Result(Frozen):
    """Manifest of the unit and its counts."""

    manifest: ArtifactRef = Field(description="names the written files and counts; input of `govern-commit`")
    unit: str = Field(description="id of the unit")
    kept: int = Field(description="traces that passed the gates, new or changed")
    stopped: int = Field(description="traces that a gate stopped")
    quarantined: int = Field(description="lines, rows and span groups that gave no trace")
    done: bool = Field(description="the unit was committed before; nothing was read")


def _find_unit(params: Params) -> Unit:
    if isinstance(params.unit, Unit):
        return params.unit
    if params.plan is None:
        raise UsageError(f"unit {params.unit[:64]!r} is named by its id: name its --plan too")
    for unit in read_plan(params.plan):
        if unit.id == params.unit:
            return unit
    raise DataError(f"unit {params.unit[:64]!r} is not in {params.plan.uri}: name a unit of this plan")


def run(params: Params, ctx: StepContext) -> Result:
    """Read, gate and write one unit; commit nothing.

    Raises:
        DataError: the unit is not in the plan, or a planned file changed or is gone.
        AccessError: a file or the key may not be read.
        TransientError: the lake does not answer.
    """
    unit = _find_unit(params)
    key = load_key(ctx.config.govern, ctx.workdir)
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("governing", total=1, unit="units") as task:
        done = unit.id in finished_units(lake)
        manifest = Manifest(unit=unit, done=True) if done else stage(unit, settle_unit(unit, lake, ctx.config, key), lake)
        task.advance(1)
    return Result(
        manifest=write_manifest(ctx.artifacts, manifest),
        unit=unit.id,
        kept=sum(outcome == WRITTEN for outcome in manifest.by_trace.values()),
        stopped=sum(outcome.startswith(STOPPED) for outcome in manifest.by_trace.values()),
        quarantined=len(manifest.quarantine),
        done=done,
    )
