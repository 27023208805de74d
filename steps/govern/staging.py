"""A governed unit on disk, waiting for its commit: data files of `traces`, and a manifest with all the rest.

A manifest holds no text: paths, counts, and the rows for the ledger and quarantine.
It lies at `artifacts/shards/govern/<unit>/<digest>.json`.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.errors import DataError, UsageError
from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.contract.refs import ArtifactRef, Frozen
from steps.contract.spec import StepContext
from steps.govern.batch import finished, gated
from steps.govern.govern_shard import Params, Result
from steps.govern.identity import load_key
from steps.govern.rows import quarantine_row, to_table
from steps.store.lake import open_lake
from steps.store.unit_plan import read_plan
from steps.store.units import Unit

if TYPE_CHECKING:
    from steps.govern.batch import Outcome


class Staged(Frozen):
    """One data file; see `steps.store.lake_files.StagedFile`."""

    path: str
    bytes: int
    rows: int


class LedgerEntry(Frozen):
    """One row of `gate_ledger` without its batch."""

    trace_id: str
    gate: str
    rule: str
    action: str
    at: datetime


class Unread(Frozen):
    """One row of `quarantine` without its batch."""

    source_uri: str
    offset: int
    reason: str
    at: datetime


class Manifest(Frozen):
    """What a shard leaves. `done`: the unit was committed before, and the rest is empty."""

    unit: Unit
    done: bool = False
    files: tuple[Staged, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    quarantine: tuple[Unread, ...] = ()
    counts: dict[str, Any] = {}


def manifest_folder(ctx: StepContext, unit_id: str) -> Path:
    """Where the manifests of a unit are; there may be several when a shard ran twice."""
    return ctx.artifacts.absolute() / "shards" / "govern" / unit_id


def write_manifest(ctx: StepContext, manifest: Manifest) -> ArtifactRef:
    """Write a manifest under its digest."""
    text = canonical_json(manifest.model_dump(mode="json"))
    digest = sha256_text(text)
    path = manifest_folder(ctx, manifest.unit.id) / f"{digest}.json"
    write_atomic(path, text)
    return ArtifactRef(uri=path.as_uri(), sha256=digest)


def read_manifest(path: Path, digest: str) -> Manifest:
    """Read a manifest.

    Raises:
        DataError: it is gone or is not the one referred to.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: the shard's manifest is gone: run the shard again") from None
    if sha256_text(text) != digest:
        raise DataError(f"{path}: not the manifest with SHA-256 {digest[:12]}: run the shard again")
    return Manifest.model_validate_json(text)


def newest_manifest(ctx: StepContext, unit_id: str) -> Manifest:
    """The manifest that a unit's last shard left.

    Raises:
        DataError: no shard of the unit ended.
    """
    folder = manifest_folder(ctx, unit_id)
    found = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not found:
        raise DataError(f"unit {unit_id}: no shard of it ended: run govern-shard for it")
    return read_manifest(found[-1], found[-1].stem)


def forget(ctx: StepContext, unit_id: str) -> None:
    """Remove the manifests of a committed unit."""
    shutil.rmtree(manifest_folder(ctx, unit_id), ignore_errors=True)


def _unit(params: Params) -> Unit:
    if isinstance(params.unit, Unit):
        return params.unit
    if params.plan is None:
        raise UsageError(f"unit {params.unit[:64]!r} is named by its id: name its --plan too")
    for unit in read_plan(params.plan):
        if unit.id == params.unit:
            return unit
    raise DataError(f"unit {params.unit[:64]!r} is not in {params.plan.uri}: name a unit of this plan")


def stage_unit(params: Params, ctx: StepContext) -> Result:
    """Read, gate and write one unit; see `steps.govern.govern_shard.run`."""
    unit = _unit(params)
    key = load_key(ctx.config.govern, ctx.workdir)
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("governing", total=1, unit="units") as task:
        done = unit.id in finished(lake)
        if done:
            manifest = Manifest(unit=unit, done=True)
        else:
            outcome = gated(unit, lake, ctx.config.govern, key, nearby=True)
            staged = lake.write_files("traces", _rows(unit, outcome), f"staged-{unit.id}")
            manifest = _manifest(unit, outcome, tuple(Staged(**asdict(file)) for file in staged))
        task.advance(1)
    return Result(
        manifest=write_manifest(ctx, manifest),
        unit=unit.id,
        kept=sum(file.rows for file in manifest.files),
        stopped=sum(manifest.counts.get("by_gate", {}).values()),
        quarantined=len(manifest.quarantine),
        done=done,
    )


def _rows(unit: Unit, outcome: Outcome) -> Any:
    return to_table("traces", [{**row, "ingest_batch": unit.id} for row in outcome.traces])


def _manifest(unit: Unit, outcome: Outcome, files: tuple[Staged, ...]) -> Manifest:
    from datetime import UTC

    now = datetime.now(UTC)
    return Manifest(
        unit=unit,
        files=files,
        ledger=tuple(LedgerEntry.model_validate(row) for row in outcome.ledger),
        quarantine=tuple(Unread.model_validate(quarantine_row(place, now)) for place in outcome.quarantine),
        counts=asdict(outcome.counts),
    )
