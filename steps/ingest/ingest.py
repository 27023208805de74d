"""Step `ingest`: find new trace files and plan them as units. Writes the plan and nothing else, reads no text."""

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
    """What to look at."""

    sources: TextTuple = Field(default=(), description="files, folders or URIs beside those of `ingest.sources`")


class Result(Frozen):
    """What `govern` is to read."""

    units: tuple[Unit, ...] = Field(description="in a fixed order for the same files")
    unit_ids: tuple[str, ...] = Field(description="their ids, for a fan-out that passes short arguments")
    plan: ArtifactRef = Field(description="the units as a JSON file, which finds a unit by its id")
    files: int = Field(description="how many files the units hold")
    skipped_files: int = Field(
        description=(
            "already ingested, empty, of another signal (metrics, logs), outside the asked range of days, or not yet completely exported"
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
    """Plan the wanted ones of the sources' files, as `run` does.

    Raises:
        DataError: a source does not exist.
        AccessError: a source may not be read.
    """
    listed = dict.fromkeys(uri for source in dict.fromkeys(sources) for uri in list_source(source))
    complete, skipped = complete_exports(listed)
    uris = [uri for uri in complete if wanted(uri)]
    skipped += len(complete) - len(uris)
    with open_lake(ctx.config, ctx.workdir) as lake:
        seen = ingested_digests(record.payload for record in lake.run_records(UNIT_STAGE))
    found = []
    with ctx.progress.task("planning", total=len(uris), unit="files") as task:
        for uri in uris:
            item = inspect_file(uri)
            task.advance(1)
            if not item.file.bytes or item.format == "other" or item.file.sha256 in seen:
                skipped += 1
                continue
            seen.add(item.file.sha256)
            found.append(item)
    units = plan_units(found, ctx.config.ingest.unit_bytes)
    return Result(
        units=units,
        unit_ids=tuple(unit.id for unit in units),
        plan=write_plan(units, ctx.artifacts),
        files=len(found),
        skipped_files=skipped,
        bytes=sum(item.file.bytes for item in found),
    )
