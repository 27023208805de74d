"""Units: which files are read together, committed together and never read twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from steps.contract.refs import Frozen

UNIT_STAGE = "ingest-unit"
MAX_SHARDS = 16


class SourceFile(Frozen):
    """A file as it was when planned: `bytes` is how much of it counts, `sha256` covers exactly that."""

    uri: str
    sha256: str
    bytes: int


class Unit(Frozen):
    """Files whose traces are assembled together and committed as one batch.

    A group larger than a unit is read several times: shard k of n takes the traces
    whose id hashes to k, so that no trace is torn apart and memory stays bounded.
    """

    id: str = Field(description="16 hex digits over the files' names and digests and the shard; the batch id in the lake")
    format: str = Field(description='"otlp", "langfuse", "mixed" or "unknown", as far as the first lines tell')
    files: tuple[SourceFile, ...] = Field(description="in name order")
    shard: int = Field(default=0, description="which shard of the traces, from 0")
    shards: int = Field(default=1, description="how many shards there are")


class FoundFile(Frozen):
    """A file found below a source, before it is grouped. `group` names what it may share traces with."""

    file: SourceFile
    format: str
    group: str


def unit_id(files: Iterable[SourceFile], shard: int = 0, shards: int = 1) -> str:
    """16 hex digits that change with any file's name or content."""
    digest = hashlib.sha256()
    for item in files:
        digest.update(f"{item.uri}\0{item.sha256}\n".encode("utf-8", "surrogateescape"))
    if shards > 1:
        digest.update(f"{shard}/{shards}".encode())
    return digest.hexdigest()[:16]


def _chunks(found: list[FoundFile], limit: int) -> list[list[FoundFile]]:
    """Consecutive files of at most `limit` bytes together; a larger file stands alone."""
    chunks: list[list[FoundFile]] = []
    size = 0
    for item in found:
        if not chunks or size + item.file.bytes > limit:
            chunks.append([])
            size = 0
        chunks[-1].append(item)
        size += item.file.bytes
    return chunks


def _units_of(found: list[FoundFile], unit_bytes: int) -> list[Unit]:
    """One unit, or as many shards as keep each at about `unit_bytes`."""
    files = tuple(item.file for item in found)
    formats = {item.format for item in found} - {"unknown"}
    name = formats.pop() if len(formats) == 1 else "mixed" if formats else "unknown"
    shards = min(MAX_SHARDS, -(-sum(item.bytes for item in files) // unit_bytes)) or 1
    return [Unit(id=unit_id(files, k, shards), format=name, files=files, shard=k, shards=shards) for k in range(shards)]


def plan_units(found: Iterable[FoundFile], unit_bytes: int) -> tuple[Unit, ...]:
    """Group files so that those which may share traces meet, at about `unit_bytes` a unit.

    Everything is one unit when it fits; else every group stands for itself, small groups
    are joined in order, and a large one is sharded by trace (or cut, above 16 units).
    """
    groups: dict[str, list[FoundFile]] = {}
    for item in sorted(found, key=lambda item: (item.group, item.file.uri)):
        groups.setdefault(item.group, []).append(item)
    units: list[Unit] = []
    waiting: list[FoundFile] = []
    for members in groups.values():
        if sum(item.file.bytes for item in waiting + members) <= unit_bytes:
            waiting += members
            continue
        if waiting:
            units += _units_of(waiting, unit_bytes)
            waiting = []
        if sum(item.file.bytes for item in members) <= unit_bytes:
            waiting = list(members)
            continue
        for chunk in _chunks(members, unit_bytes * MAX_SHARDS):
            units += _units_of(chunk, unit_bytes)
    if waiting:
        units += _units_of(waiting, unit_bytes)
    return tuple(units)


def ingested_digests(markers: Iterable[Mapping[str, Any]]) -> set[str]:
    """Digests of files all of whose shards are committed, from the payloads of `ingest-unit` records."""
    seen_shards: dict[tuple[str, int], set[int]] = {}
    for marker in markers:
        for digest in marker["sha256"]:
            seen_shards.setdefault((digest, marker["shards"]), set()).add(marker["shard"])
    return {digest for (digest, shards), seen in seen_shards.items() if len(seen) == shards}
