"""Units: which raw objects are read together, committed together and known afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pydantic import Field

from steps.contract.refs import Frozen
from steps.store.raw_objects import RawObject

UNIT_STAGE = "ingest-unit"
MAX_SHARDS = 16


class Unit(Frozen):
    """Objects whose traces are assembled together and committed as one batch.

    Objects larger together than a unit are read by several: shard k of n takes the traces whose id hashes to k,
    so that no trace is torn apart and memory stays bounded.
    """

    id: str = Field(description="16 hex digits over the objects' names and versions and the shard; the batch id in the lake")
    objects: tuple[RawObject, ...] = Field(description="in name order")
    shard: int = Field(default=0, description="which shard of the traces, from 0")
    shards: int = Field(default=1, description="how many shards there are")


def unit_id(objects: Iterable[RawObject], shard: int = 0, shards: int = 1) -> str:
    """16 hex digits that change with any object's name or version."""
    digest = hashlib.sha256()
    for item in objects:
        digest.update(f"{item.uri}\0{item.etag}\n".encode("utf-8", "surrogateescape"))
    if shards > 1:
        digest.update(f"{shard}/{shards}".encode())
    return digest.hexdigest()[:16]


def plan_units(objects: Iterable[RawObject], unit_bytes: int) -> tuple[Unit, ...]:
    """Units of about `unit_bytes` for new objects.

    Objects stand in the order of their names, which for collectors is the order of time. What fits into 16 units is one
    window: each of its units reads all of the window's objects and keeps the traces of its hash. A trace with parts in
    two windows is put together by the commit.
    """
    units: list[Unit] = []
    window: list[RawObject] = []
    size = 0
    for item in sorted(objects, key=lambda item: item.uri):
        if window and size + item.bytes > unit_bytes * MAX_SHARDS:
            units += _window_units(window, unit_bytes)
            window, size = [], 0
        window.append(item)
        size += item.bytes
    if window:
        units += _window_units(window, unit_bytes)
    return tuple(units)


def _window_units(window: list[RawObject], unit_bytes: int) -> list[Unit]:
    """As many shards as keep each at about `unit_bytes`."""
    objects = tuple(window)
    shards = min(MAX_SHARDS, -(-sum(item.bytes for item in objects) // unit_bytes)) or 1
    return [Unit(id=unit_id(objects, k, shards), objects=objects, shard=k, shards=shards) for k in range(shards)]


def read_versions(rows: Iterable[tuple[str, str, int, int]]) -> set[tuple[str, str]]:
    """(uri, etag) of objects all of whose shards are committed, from (uri, etag, shard, shards) of the table `objects`."""
    seen: dict[tuple[str, str, int], set[int]] = {}
    for uri, etag, shard, shards in rows:
        seen.setdefault((uri, etag, shards), set()).add(shard)
    return {(uri, etag) for (uri, etag, shards), done in seen.items() if len(done) == shards}
