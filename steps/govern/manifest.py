"""Manifest of a governed unit that waits for its commit: it names the data files of the tables and holds the other rows.

A manifest holds no text: paths, counts, and the rows for the ledger and quarantine.
It lies at `artifacts/shards/govern/<unit>/<digest>.json`.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from pydantic import Field

from steps.contract.errors import DataError
from steps.contract.files import canonical_json
from steps.contract.refs import ArtifactRef, Frozen
from steps.store.artifacts import read_named, write_text
from steps.store.units import Unit


class Staged(Frozen):
    """One data file; see `steps.store.lake_files.StagedFile`."""

    path: str = Field(description="where the file is, as the lake addresses it")
    bytes: int = Field(description="size of the file")
    rows: int = Field(description="rows in the file")


class LedgerEntry(Frozen):
    """One row of `gate_ledger` without its batch."""

    trace_id: str = Field(description="id of the trace as stored: plain, or its keyed hash")
    gate: str = Field(description="consent, region, confidentiality or pii")
    rule: str = Field(description="why, as one word of ours")
    action: str = Field(description="stopped or masked")
    detail: str = Field(default="", description="key of a claim under an unknown prefix")
    at: datetime = Field(description="when, UTC")


class Unread(Frozen):
    """One row of `quarantine` without its batch."""

    source_uri: str = Field(description="file, without credentials")
    offset: int = Field(description="line or row, from 1; 0 for the file")
    reason: str = Field(description="why it could not be read, as one word of ours")
    trace_id: str = Field(default="", description="the trace that could not be assembled; empty for a place")
    at: datetime = Field(description="when, UTC")


class Manifest(Frozen):
    """Manifest of one unit."""

    unit: Unit = Field(description="the unit as planned")
    done: bool = Field(default=False, description="the unit was committed before, and the rest is empty")
    files: dict[str, tuple[Staged, ...]] = Field(default={}, description="data files that the commit adopts, by table")
    ledger: tuple[LedgerEntry, ...] = Field(default=(), description="what the gates did to the traces")
    quarantine: tuple[Unread, ...] = Field(default=(), description="places that could not be read, traces that could not be assembled")
    by_trace: dict[str, str] = Field(
        default={}, description="what became of each trace: written, unchanged, quarantined, pending, stopped-GATE"
    )
    spans: int = Field(default=0, description="spans and observations read")


def manifest_folder(artifacts: Path, unit_id: str) -> Path:
    """Folder of a unit's manifests; it holds several when a shard ran twice."""
    return artifacts.absolute() / "shards" / "govern" / unit_id


def write_manifest(artifacts: Path, manifest: Manifest) -> ArtifactRef:
    """Write a manifest under its digest."""
    return write_text(manifest_folder(artifacts, manifest.unit.id), canonical_json(manifest.model_dump(mode="json")))


def read_manifest(artifacts: Path, unit_id: str, sha256: str = "") -> Manifest:
    """The manifest of a unit with a digest, or without one the manifest that its last shard left.

    Raises:
        DataError: it is gone or is not the one referred to, or no shard of the unit ended.
    """
    folder = manifest_folder(artifacts, unit_id)
    if not sha256:
        paths = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        if not paths:
            raise DataError(f"unit {unit_id}: no shard of it ended: run govern-shard for it")
        sha256 = paths[-1].stem
    text = read_named(folder / f"{sha256}.json", sha256, "the shard's manifest", "run the shard again")
    return Manifest.model_validate_json(text)


def delete_manifests(artifacts: Path, unit_id: str) -> None:
    """Remove the manifests of a committed unit."""
    shutil.rmtree(manifest_folder(artifacts, unit_id), ignore_errors=True)
