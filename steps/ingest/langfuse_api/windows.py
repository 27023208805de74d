"""Windows of time that a pull reads, and when each is read again. Pure.

The API shows the newest rows first and knows no "changed since", so rows are read in windows that are
closed: their end lies `lag` back. What arrives later still is found by reading a window again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

WINDOW = timedelta(minutes=15)
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Poll:
    """One reading of one window.

    Attributes:
        start: first instant of the window, UTC.
        number: 0 for the first reading, 1 and up for re-polls.
        due: when the window may be read this time.
    """

    start: datetime
    number: int
    due: datetime

    @property
    def end(self) -> datetime:
        """First instant behind the window: it never moves, so that pages of the newest rows do not shift."""
        return self.start + WINDOW


@dataclass(slots=True)
class Schedule:
    """Which windows were read how often.

    Attributes:
        since: first day that is read.
        next: start of the first window that was never read.
        open: number of the next poll of each window that is to be read again.
        closed: start of the window that was read for the last time most recently.
        project: id of the project that the rows name; "" before the first row.
    """

    since: date
    next: datetime
    open: dict[datetime, int] = field(default_factory=dict)
    closed: datetime | None = None
    project: str = ""

    def first_due(self, now: datetime, delays: Sequence[timedelta]) -> Poll | None:
        """The poll that has been due longest; None when nothing is.

        Args:
            now: the present, UTC.
            delays: how long after a window's end each poll is due; the first is the lag.
        """
        polls = [_poll(start, number, delays) for start, number in self.open.items() if number < len(delays)]
        first = min([*polls, _poll(self.next, 0, delays)], key=lambda poll: (poll.due, poll.start))
        return first if first.due <= now else None

    def count_due(self, now: datetime, delays: Sequence[timedelta]) -> int:
        """How many polls are due."""
        never_read = max(0, (now - delays[0] - self.next) // WINDOW)
        return never_read + sum(start + WINDOW + delays[number] <= now for start, number in self.open.items() if number < len(delays))

    def complete(self, poll: Poll, began: datetime, delays: Sequence[timedelta]) -> bool:
        """Note that a window was read; tell whether it will be read again.

        A re-poll that was already due when this one began would see nothing else: it is left out.
        """
        if poll.number == 0:
            self.next = poll.end
        later = [number for number in range(poll.number + 1, len(delays)) if poll.end + delays[number] > began]
        if later:
            self.open[poll.start] = later[0]
        else:
            self.open.pop(poll.start, None)
            self.closed = poll.start
        return bool(later)


def _poll(start: datetime, number: int, delays: Sequence[timedelta]) -> Poll:
    return Poll(start, number, start + WINDOW + delays[number])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def new_schedule(since: date) -> Schedule:
    """A schedule that begins with a day."""
    return Schedule(since, _midnight(since))


def begin_at(schedule: Schedule, since: date) -> Schedule:
    """The schedule after the configured first day changed: an earlier day is read from there on, a later one skips ahead."""
    if since < schedule.since:
        return replace(new_schedule(since), project=schedule.project)
    return replace(schedule, since=since, next=max(schedule.next, _midnight(since)))


def to_document(schedule: Schedule) -> dict[str, Any]:
    """The schedule as JSON values."""
    return {
        "since": schedule.since.isoformat(),
        "next": schedule.next.strftime(STAMP),
        "open": {start.strftime(STAMP): number for start, number in schedule.open.items()},
        "closed": schedule.closed.strftime(STAMP) if schedule.closed else None,
        "project": schedule.project,
    }


def from_document(document: dict[str, Any]) -> Schedule:
    """The schedule in JSON values.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: they are no schedule.
    """
    moments = {_moment(stamp): int(number) for stamp, number in document["open"].items()}
    closed = _moment(document["closed"]) if document["closed"] else None
    return Schedule(date.fromisoformat(document["since"]), _moment(document["next"]), moments, closed, str(document["project"]))


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).astimezone(UTC)
