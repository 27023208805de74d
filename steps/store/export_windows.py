"""Time windows that the names of raw objects tell: minute folders of the collector, export windows of Langfuse.

Langfuse writes `<project>/<table>/<stamp>.<ending>` and, last, `<project>/manifests/<stamp>.json`: without the manifest
a window's files may be partial. The manifest names the window's bounds, and bounds that do not meet are a gap.

Source: OpenTelemetry collector-contrib, awss3exporter; Langfuse server 4.16, blob storage integration.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

import orjson

LANGFUSE_TABLES = ("observations_v2", "observations", "events", "traces", "scores")
MANIFESTS = "manifests"
_FOLDER = re.compile(r"(?:^|/)year=(\d{4})/(?:month=(\d{1,2})/(?:day=(\d{1,2})/(?:hour=(\d{1,2})/(?:minute=(\d{1,2})/)?)?)?)?")


class Dated(Protocol):
    """An object with a name and a time."""

    @property
    def uri(self) -> str:
        """Its URI."""

    @property
    def last_modified(self) -> datetime:
        """When it was written, UTC."""


Item = TypeVar("Item", bound=Dated)
Key = tuple[str, str]


@dataclass(frozen=True, order=True)
class Gap:
    """A stretch of time that no export window of a project covers."""

    project: str
    start: datetime
    end: datetime


@dataclass
class Exports(Generic[Item]):
    """Objects to read, those whose window is not yet whole, and the gaps between windows."""

    complete: list[Item] = field(default_factory=list)
    pending: list[Item] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


def period_of(path: str) -> tuple[datetime, datetime] | None:
    """Begin and end of the time that a folder names, down to the minute, UTC; None when it names none that exists."""
    match = _FOLDER.search(path)
    if match is None:
        return None
    year, month, day, hour, minute = (int(part) if part else None for part in match.groups())
    try:
        start = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, tzinfo=UTC)
        if day is not None:
            return start, start + timedelta(days=hour is None, hours=hour is not None and minute is None, minutes=minute is not None)
        if month is not None and start.month < 12:
            return start, start.replace(month=start.month + 1)
        return start, start.replace(year=start.year + 1, month=1)
    except (ValueError, OverflowError):
        return None


def window_of(uri: str) -> Key | None:
    """Project folder and stamp of a file of a Langfuse export, manifests included; None for any other file."""
    project, table, name = ("", "", *uri.rsplit("/", 2))[-3:]
    if table not in LANGFUSE_TABLES and not (table == MANIFESTS and name.endswith(".json")):
        return None
    return project, name.partition(".")[0]


def _is_manifest(uri: str) -> bool:
    return uri.rsplit("/", 2)[-2:-1] == [MANIFESTS]


def is_since(item: Dated, since: datetime) -> bool:
    """Whether an object is at or after a watermark: by its folder, else by its time."""
    period = period_of(item.uri)
    return period[1] > since if period else item.last_modified >= since


def keep_windows(items: Iterable[Item], since: datetime) -> list[Item]:
    """The objects at or after a watermark.

    A window counts as a whole, since a file that was sent in parts is older than its manifest and a manifest may be older than a
    rewritten file; and the last manifest before the watermark stays, so that a gap at the watermark is seen.
    """
    kept: list[Item] = []
    windows: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        key = window_of(item.uri)
        if key is not None:
            windows[key].append(item)
        elif is_since(item, since):
            kept.append(item)
    last_before: dict[str, Item] = {}
    for (project, _), members in sorted(windows.items(), key=lambda entry: entry[0]):
        manifests = [item for item in members if _is_manifest(item.uri)]
        if any(item.last_modified >= since for item in members):
            kept += members
        elif manifests:
            last_before[project] = manifests[0]
    return kept + list(last_before.values())


def complete_exports(items: Iterable[Item], read: Callable[[Item], bytes]) -> Exports[Item]:
    """Take out manifests and hold back the files of windows that have none yet.

    Args:
        items: what a listing gave.
        read: the content of a manifest.
    """
    items = list(items)
    keys = [window_of(item.uri) for item in items]
    projects = {key[0] for item, key in zip(items, keys, strict=True) if key is not None and not _is_manifest(item.uri)}
    bounds: dict[Key, tuple[datetime, datetime] | None] = {}
    for item, key in zip(items, keys, strict=True):
        if key is not None and _is_manifest(item.uri):
            window = _bounds(read(item))
            if window is not None or key[0] in projects:
                bounds[key] = window
    with_manifests = {project for project, _ in bounds}
    result: Exports[Item] = Exports()
    for item, key in zip(items, keys, strict=True):
        if key is None or key[0] not in with_manifests or (_is_manifest(item.uri) and key not in bounds):
            result.complete.append(item)
        elif not _is_manifest(item.uri):
            (result.complete if key in bounds else result.pending).append(item)
    result.gaps = _gaps(bounds)
    return result


def _bounds(content: bytes) -> tuple[datetime, datetime] | None:
    """The window that a manifest names; None when it names none."""
    try:
        window = orjson.loads(content)["window"]
        start, end = (datetime.fromisoformat(window[name]) for name in ("minTimestamp", "maxTimestamp"))
    except (ValueError, TypeError, KeyError):
        return None
    return start.replace(tzinfo=start.tzinfo or UTC), end.replace(tzinfo=end.tzinfo or UTC)


def _gaps(windows: dict[Key, tuple[datetime, datetime] | None]) -> list[Gap]:
    by_project: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for (project, _), bounds in windows.items():
        if bounds is not None:
            by_project[project].append(bounds)
    gaps = []
    for project, bounds_list in by_project.items():
        bounds_list.sort()
        reached = bounds_list[0][1]
        for start, end in bounds_list[1:]:
            if start > reached:
                gaps.append(Gap(project, reached, start))
            reached = max(reached, end)
    return sorted(gaps)
