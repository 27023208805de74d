"""A governed unit on disk, waiting for its commit: data files of `traces`, and a manifest with all the rest.

A manifest holds no text: paths, counts, and the rows for the ledger and quarantine.
It lies at `artifacts/shards/govern/<unit>/<digest>.json`.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from steps.contract.errors import DataError
from steps.contract.files import canonical_json
from steps.contract.refs import ArtifactRef, Frozen
from steps.store.artifacts import read_named, write_text
from steps.store.units import Unit


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


def manifest_folder(artifacts: Path, unit_id: str) -> Path:
    """Where the manifests of a unit are; there may be several when a shard ran twice."""
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
