"""Step `ingest`: find new raw objects by their listing and plan them as units; it opens none and writes the plan alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from pydantic import Field

from steps.contract.refs import ArtifactRef, Frozen, TextTuple
from steps.contract.spec import StepContext
from steps.ingest.langfuse_api.pull import pull_source
from steps.ingest.langfuse_api.source import SCHEME
from steps.store.export_windows import complete_exports
from steps.store.lake import Lake, open_lake
from steps.store.raw_objects import PassedOver, RawObject, list_source
from steps.store.raw_streams import open_object
from steps.store.sources import local_path
from steps.store.unit_plan import write_plan
from steps.store.units import Unit, plan_units, read_versions
from steps.store.watermarks import read_watermarks

MAX_NAMED = 100
MAX_MANIFEST_BYTES = 1 << 20


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
    passed_over: tuple[str, ...] = Field(default=(), description="entries that are no file of their source, and why; the first 100")
    gaps: tuple[str, ...] = Field(default=(), description="times that no window of a Langfuse export covers; the first 100")


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
    passed_over: list[PassedOver] = []
    listed: dict[tuple[str, str], RawObject] = {}
    places = dict.fromkeys(_pull(source, ctx, now) if source.startswith(SCHEME) else source for source in sources)
    places.pop("", None)  # a pull that brought nothing yet
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("planning", unit="files") as task:
        watermarks = read_watermarks(lake) if wanted is None else {}
        for place in places:
            # A copied file keeps its old time, and a folder is listed at no cost: all of it is, whatever the watermark.
            since = watermarks[place] - overlap if place in watermarks and local_path(place) is None else None
            listing = list_source(place, since)
            listed |= {(item.uri, item.etag): item for item in listing.objects}
            passed_over += listing.passed_over
            task.advance(len(listing.objects))
        exports = complete_exports([item for item in listed.values() if item.bytes], _read_whole)
        candidates = [item for item in exports.complete if item.last_modified <= closed and (wanted is None or wanted(item.uri))]
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
        passed_over=tuple(f"{item.uri}: {item.reason}" for item in passed_over[:MAX_NAMED]),
        gaps=tuple(f"{gap.project}: {gap.start.isoformat()} to {gap.end.isoformat()}" for gap in exports.gaps[:MAX_NAMED]),
    )


def _pull(source: str, ctx: StepContext, now: datetime) -> str:
    """Read what is due of a Langfuse API into raw objects; the folder of these."""
    raw = ctx.config.ingest.langfuse_raw or (ctx.workdir / "raw").absolute().as_uri()
    return pull_source(source, raw, now, ctx.config.ingest, progress=ctx.progress).folder


def _read_whole(item: RawObject) -> bytes:
    """The content of an export's manifest; a larger object is none."""
    with open_object(item.uri, item.etag, item.bytes) as stream:
        return stream.read(MAX_MANIFEST_BYTES) or b""


def _known(lake: Lake, items: list[RawObject]) -> set[tuple[str, str]]:
    """(uri, etag) of the objects that earlier runs have committed."""
    columns = ("uri", "etag", "shard", "shards")
    rows = lake.among("objects", columns, [item.uri for item in items])
    return read_versions(zip(*(rows.column(name).to_pylist() for name in columns), strict=True))
