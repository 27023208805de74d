"""Step `ingest`: find new raw objects by their listing and plan them as units; it opens none and writes the plan alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from pydantic import Field

from steps.contract.refs import ArtifactRef, Frozen, TextTuple
from steps.contract.spec import StepContext
from steps.store.lake import Lake, open_lake
from steps.store.raw_objects import RawObject, list_objects
from steps.store.sources import complete_exports
from steps.store.unit_plan import write_plan
from steps.store.units import Unit, plan_units, read_versions
from steps.store.watermarks import read_watermarks


class Params(Frozen):
    """Sources to search."""

    sources: TextTuple = Field(default=(), description="files, folders or URIs beside those of `ingest.sources`")


class Result(Frozen):
    """Units for the `govern-shard` steps."""

    units: tuple[Unit, ...] = Field(description="in a fixed order for the same objects")
    unit_ids: tuple[str, ...] = Field(description="their ids, for a fan-out that passes short arguments")
    plan: ArtifactRef = Field(description="the units as a JSON file, which finds a unit by its id")
    files: int = Field(description="how many objects the units hold")
    skipped_files: int = Field(description="read before, empty, outside the range of days, too new, or not yet completely exported")
    bytes: int = Field(description="size of the objects that the units hold")


def run(params: Params, ctx: StepContext) -> Result:
    """Plan every object that no earlier run has committed.

    Raises:
        DataError: a source does not exist.
        AccessError: a source may not be read.
    """
    return plan((*ctx.config.ingest.sources, *params.sources), ctx)


def plan(sources: Iterable[str], ctx: StepContext, wanted: Callable[[str], bool] | None = None) -> Result:
    """Plan the objects of the sources, as `run` does.

    Args:
        sources: where to look.
        ctx: configuration and work folder.
        wanted: which names count, whatever their age; None: all names that the watermark does not rule out.

    Raises:
        DataError: a source does not exist.
        AccessError: a source may not be read.
    """
    settings, now = ctx.config.ingest, datetime.now(UTC)
    closed = now - timedelta(minutes=settings.closed_after_minutes)
    overlap = timedelta(hours=settings.overlap_hours)
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("planning", unit="files") as task:
        watermarks = read_watermarks(lake) if wanted is None else {}
        listed: dict[tuple[str, str], RawObject] = {}
        for source in dict.fromkeys(sources):
            since = watermarks[source] - overlap if source in watermarks else None
            for item in list_objects(source, since):
                listed[(item.uri, item.etag)] = item
                task.advance(1)
        names = dict.fromkeys(item.uri for item in listed.values() if item.bytes)
        complete, _ = complete_exports(names)
        ready = {uri for uri in complete if wanted is None or wanted(uri)}
        candidates = [item for item in listed.values() if item.bytes and item.uri in ready and item.modified <= closed]
        known = _known(lake, candidates)
    new = [item for item in candidates if (item.uri, item.etag) not in known]
    units = plan_units(new, settings.unit_bytes)
    marks = {} if wanted is not None else dict.fromkeys(dict.fromkeys(sources), closed)
    return Result(
        units=units,
        unit_ids=tuple(unit.id for unit in units),
        plan=write_plan(units, ctx.artifacts, marks),
        files=len(new),
        skipped_files=len(listed) - len(new),
        bytes=sum(item.bytes for item in new),
    )


def _known(lake: Lake, items: list[RawObject]) -> set[tuple[str, str]]:
    """(uri, etag) of the objects that earlier runs have committed."""
    columns = ("uri", "etag", "shard", "shards")
    rows = lake.among("objects", columns, [item.uri for item in items])
    return read_versions(zip(*(rows.column(name).to_pylist() for name in columns), strict=True))
