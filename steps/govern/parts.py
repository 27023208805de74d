"""Parts of traces: the records of a unit's new objects, with those of older objects that hold parts of the same traces."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from steps.chat.reading import read_object
from steps.chat.span import LogEvent, Score, Span, Unreadable
from steps.contract.errors import DataError
from steps.store.raw_objects import RawObject

if TYPE_CHECKING:
    from steps.store.lake import Lake
    from steps.store.units import Unit

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Parts:
    """Everything that is known of some traces.

    Attributes:
        spans: spans by the source's trace id, those of older objects included.
        scores: scores by trace id.
        logs: log records by trace id that stand for events of spans.
        unreadable: places that could not be read.
        objects: objects by trace id that hold a part of it and were read as new.
        incomplete: traces of which an older object is gone, as stored ids.
        span_count: spans and observations of the new objects.
    """

    spans: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    scores: dict[str, list[Score]] = field(default_factory=lambda: defaultdict(list))
    logs: dict[str, list[LogEvent]] = field(default_factory=lambda: defaultdict(list))
    unreadable: list[Unreadable] = field(default_factory=list)
    objects: dict[str, list[RawObject]] = field(default_factory=lambda: defaultdict(list))
    incomplete: set[str] = field(default_factory=set)
    span_count: int = 0

    @property
    def trace_ids(self) -> list[str]:
        """Ids of all traces with a part here, in order."""
        return sorted(self.spans.keys() | self.scores.keys() | self.logs.keys())

    def joined_spans(self, trace_id: str) -> list[Span]:
        """Spans of a trace, each with the log records that name it; a trace of log records alone has none."""
        spans = self.spans.get(trace_id, [])
        by_id = {span.span_id: span for span in spans}
        for log in sorted(self.logs.get(trace_id, ()), key=lambda log: (log.at_ns, log.offset)):
            span = by_id.get(log.span_id)
            if span is not None:
                event = {**log.attributes, **({"body": log.body} if log.body is not None else {})}
                if (log.name, event) not in span.events:
                    span.events.append((log.name, event))
        return spans


def shard_of(trace_id: str, shards: int) -> int:
    """Shard of a unit that an id belongs to, from 0."""
    return zlib.crc32(trace_id.encode("utf-8", "replace")) % shards


def read_parts(unit: Unit, lake: Lake, stored_id: Callable[[str], str], only: frozenset[str] | None = None) -> Parts:
    """Read a unit's new objects, then the older objects that hold parts of their traces.

    Args:
        unit: which objects, and which shard of their traces; unreadable places come with shard 0.
        lake: where older parts are looked up.
        stored_id: the lake's id of a trace id.
        only: stored ids of the traces that are wanted; None: all.

    Raises:
        DataError: a new object is gone.
        AccessError: an object may not be read.
    """
    parts = Parts()

    def wanted(trace_id: str) -> bool:
        mine = unit.shards == 1 or shard_of(trace_id, unit.shards) == unit.shard
        return mine and (only is None or stored_id(trace_id) in only)

    for item in unit.objects:
        read_into(parts, item, wanted)
    if unit.shard or only is not None:
        parts.unreadable = []
    _read_older(unit, lake, stored_id, parts)
    return parts


def read_into(parts: Parts, item: RawObject, wanted: Callable[[str], bool], *, is_new: bool = True) -> None:
    """Add the wanted records of one object; places that cannot be read only of a new one.

    Raises:
        DataError: the object is gone.
        AccessError: it may not be read.
    """
    for record in read_object(item, wanted):
        if isinstance(record, Unreadable):
            if is_new:
                parts.unreadable.append(record)
            continue
        if isinstance(record, Span):
            parts.spans[record.trace_id].append(record)
            parts.span_count += is_new
        elif isinstance(record, LogEvent):
            parts.logs[record.trace_id].append(record)
        elif record.trace_id:
            parts.scores[record.trace_id].append(record)
        else:
            continue
        if is_new:
            known = parts.objects[record.trace_id]
            if not known or known[-1] is not item:
                known.append(item)


def _read_older(unit: Unit, lake: Lake, stored_id: Callable[[str], str], parts: Parts) -> None:
    """Add the parts of the same traces that earlier units read; a changed object is read as it is now, so its old versions are not."""
    ids = {stored_id(trace_id) for trace_id in parts.trace_ids}
    rows = lake.among("trace_parts", ("trace_id", "uri", "etag", "bytes"), ids)
    new = {item.uri for item in unit.objects}
    older: dict[str, tuple[RawObject, set[str]]] = {}
    for trace_id, uri, etag, size in zip(*(rows.column(name).to_pylist() for name in ("trace_id", "uri", "etag", "bytes")), strict=True):
        if uri in new:
            continue
        item = RawObject(uri=uri, etag=etag, bytes=size, last_modified=_LONG_AGO)
        known, members = older.setdefault(uri, (item, set()))
        members.add(trace_id)
        if size > known.bytes:
            older[uri] = (item, members)
    for item, members in older.values():
        try:
            read_into(parts, item, lambda trace_id, members=members: stored_id(trace_id) in members, is_new=False)  # type: ignore[misc]
        except DataError:
            # Raw objects are kept for some days only: what came late amends the stored row.
            parts.incomplete |= members


def part_rows(parts: Parts, stored_id: Callable[[str], str], now: datetime) -> Iterable[dict[str, object]]:
    """Rows of `trace_parts` for the new objects."""
    for trace_id in parts.trace_ids:
        for item in parts.objects.get(trace_id, ()):
            yield {"trace_id": stored_id(trace_id), "uri": item.uri, "etag": item.etag, "bytes": item.bytes, "seen_at": now}
