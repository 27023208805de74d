"""Stretches of a window that hold rows which arrived late. Pure.

A re-poll reads the rows' names alone. The API has no list of rows by id, so the whole rows are read by
time: each stretch spans unknown rows that lie close, and holds about one page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from steps.ingest.langfuse_api.client import Endpoint
from steps.ingest.langfuse_api.window_state import identify
from steps.ingest.langfuse_api.windows import Poll

_MILLISECOND = timedelta(milliseconds=1)


def late_stretches(rows: list[Any], known: set[str], poll: Poll, endpoint: Endpoint) -> Iterator[tuple[datetime, datetime]]:
    """Yield [start, end) of each stretch, the newest first.

    Args:
        rows: one page of a re-poll, newest first.
        known: digests of rows that were read before.
        poll: the window; a stretch never leaves it.
        endpoint: the list; a stretch spans at most a page of it.
    """
    first = last = None  # newest and oldest unknown row of the stretch: its place on the page and its time
    for place, row in enumerate(rows):
        if identify(row, endpoint) in known:
            continue
        moment = _start_time(row, poll)
        if first is not None and last is not None and place - first[0] >= endpoint.limit:
            yield _clip(last[1], first[1], poll)
            first = None
        first = first or (place, moment)
        last = (place, moment)
    if first is not None and last is not None:
        yield _clip(last[1], first[1], poll)


def _start_time(row: Any, poll: Poll) -> datetime:
    """The row's start, to the millisecond; the window's when it has none."""
    text = row.get("startTime") if isinstance(row, dict) else None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else poll.start
    except ValueError:
        return poll.start
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _clip(oldest: datetime, newest: datetime, poll: Poll) -> tuple[datetime, datetime]:
    start, end = max(min(oldest, newest), poll.start), min(max(oldest, newest) + _MILLISECOND, poll.end)
    return (start, end) if start < end else (poll.start, poll.end)
