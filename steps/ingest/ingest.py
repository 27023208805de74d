"""Step `ingest`: find new trace files and plan them as units; it reads no text and writes the plan alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import Field

from steps.contract.refs import ArtifactRef, Frozen, TextTuple
from steps.contract.spec import StepContext
from steps.store.lake import open_lake
from steps.store.sources import complete_exports, inspect_file, list_source
from steps.store.unit_plan import write_plan
from steps.store.units import UNIT_STAGE, Unit, ingested_digests, plan_units


class Params(Frozen):
    """Sources to search."""

    sources: TextTuple = Field(default=(), description="files, folders or URIs beside those of `ingest.sources`")


class Result(Frozen):
    """Units for the `govern-shard` steps."""

    units: tuple[Unit, ...] = Field(description="in a fixed order for the same files")
    unit_ids: tuple[str, ...] = Field(description="their ids, for a fan-out that passes short arguments")
    plan: ArtifactRef = Field(description="the units as a JSON file, which finds a unit by its id")
    files: int = Field(description="how many files the units hold")
    skipped_files: int = Field(
        description=(
            "already ingested, empty, of another signal (metrics, logs), outside the range of days, or not yet completely exported"
        )
    )
    bytes: int = Field(description="size of the files that the units hold")


def run(params: Params, ctx: StepContext) -> Result:
    """Plan every file that no earlier run has committed.

    Raises:
        DataError: a source does not exist.
        AccessError: a source may not be read.
    """
    return plan((*ctx.config.ingest.sources, *params.sources), ctx, lambda uri: True)


def plan(sources: Iterable[str], ctx: StepContext, wanted: Callable[[str], bool]) -> Result:
    """Plan the wanted files of the sources, as `run` does.

    Raises:
        DataError: a source does not exist.
        AccessError: a source may not be read.
    """
    listed = dict.fromkeys(uri for source in dict.fromkeys(sources) for uri in list_source(source))
    complete, skipped = complete_exports(listed)
    uris = [uri for uri in complete if wanted(uri)]
    skipped += len(complete) - len(uris)
    with open_lake(ctx.config, ctx.workdir) as lake:
        digests = ingested_digests(record.payload for record in lake.run_records(UNIT_STAGE))
    new_files = []
    with ctx.progress.task("planning", total=len(uris), unit="files") as task:
        for uri in uris:
            item = inspect_file(uri)
            task.advance(1)
            if not item.file.bytes or item.format == "other" or item.file.sha256 in digests:
                skipped += 1
                continue
            digests.add(item.file.sha256)
            new_files.append(item)
    units = plan_units(new_files, ctx.config.ingest.unit_bytes)
    return Result(
        units=units,
        unit_ids=tuple(unit.id for unit in units),
        plan=write_plan(units, ctx.artifacts),
        files=len(new_files),
        skipped_files=skipped,
        bytes=sum(item.file.bytes for item in new_files),
    )
