"""How long a bad version did harm: the moments of an abort or rollback, in seconds after the breach.

What Kubernetes stamps is taken from there (measurements of an AnalysisRun, `status.abortedAt`); what it does
not stamp (the canary's weight, the return to Healthy) is the moment at which it was first seen, which is
never earlier than it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from steps.contract.refs import Frozen, ModelRef
from steps.release.rollout_status import moment

Name = Literal["breach_seen", "aborted", "weight_zero", "pin_reverted", "alias_back", "previous_serving", "agreed"]
SAID: dict[str, str] = {
    "breach_seen": "breach seen",
    "aborted": "aborted",
    "weight_zero": "canary at 0 %",
    "pin_reverted": "pin reverted in Git",
    "alias_back": "alias and tags put right",
    "previous_serving": "previous generation serves all traffic",
    "agreed": "Git, registry and Rollout agree",
}
_BAD = ("Failed", "Error")
# Within the limit, both the traffic and Git must be back.
_METERED: tuple[Name, ...] = ("weight_zero", "pin_reverted", "previous_serving")


class Event(Frozen):
    """One moment."""

    name: Name = Field(description="what happened")
    at: str = Field(description="when, UTC, ISO 8601")
    after_s: float = Field(description="seconds after the breach")
    note: str = Field(default="", description="anything else, one line")


class Timeline(Frozen):
    """The way back from one version."""

    environment: str = Field(description="where")
    withdrawn: ModelRef = Field(description="the version that went")
    restored: ModelRef | None = Field(description="the version that came back; None: there is none")
    cause: Literal["analysis", "person"] = Field(description="`analysis` found it, or a `person` (or a deadline of the Rollout) ended it")
    reason: str = Field(description="one line")
    limit_s: float = Field(description="from the breach to the previous generation back")
    events: tuple[Event, ...] = Field(default=(), description="oldest first; an event stands once")

    def seen(self, name: Name) -> Event | None:
        """An event, if it happened."""
        return next((event for event in self.events if event.name == name), None)

    def add(self, name: Name, at: datetime, note: str = "") -> Timeline:
        """With one event more; one that stands already stays as it is. The first is the breach."""
        if self.seen(name):
            return self
        start = moment(self.events[0].at) if self.events else at
        after = (at - start).total_seconds() if start else 0.0
        event = Event(name=name, at=at.astimezone(UTC).isoformat(timespec="milliseconds"), after_s=round(max(0.0, after), 3), note=note)
        first, rest = (event,) if not self.events else self.events[:1], (*self.events[1:], event) if self.events else ()
        return self.model_copy(update={"events": (*first, *sorted(rest, key=lambda item: item.after_s))})

    def seconds(self) -> dict[str, float]:
        """Seconds from the breach to everything that happened."""
        return {event.name: event.after_s for event in self.events}

    def warning(self) -> str:
        """What took too long, as one line; empty: nothing did."""
        late = [(SAID[name], after) for name, after in self.seconds().items() if name in _METERED and after > self.limit_s]
        told = ", ".join(f"{what} after {after:.0f} s" for what, after in late)
        return f"{self.withdrawn}: over the limit of {self.limit_s:.0f} s from the breach: {told}" if late else ""

    def lines(self) -> list[str]:
        """For people: one line an event."""
        return [
            f"{event.at}  +{event.after_s:8.1f} s  {SAID[event.name]}{f' ({event.note})' if event.note else ''}" for event in self.events
        ]


def breach(runs: Iterable[Mapping[str, Any]]) -> tuple[datetime, str] | None:
    """When analysis first saw what ended the version, and in which metric; None: no analysis did.

    It is the first of the unbroken row of bad measurements at the end of a failed metric: one bad
    measurement long ago, which the failure limit forgave, is not the breach.
    """
    found: list[tuple[datetime, str]] = []
    for run in runs:
        status = run.get("status") or {}
        if status.get("phase") not in _BAD:
            continue
        for metric in status.get("metricResults") or ():
            if metric.get("phase") in _BAD and not metric.get("dryRun"):
                start = _first_of_last_row(metric.get("measurements") or ())
                found += [(start, str(metric.get("name") or ""))] if start else []
        if not found and (ended := moment(status.get("completedAt"))):
            found.append((ended, str(status.get("message") or "analysis")[:200]))
    return min(found) if found else None


def _first_of_last_row(measurements: Iterable[Mapping[str, Any]]) -> datetime | None:
    first: datetime | None = None
    for measurement in measurements:
        at = moment(measurement.get("finishedAt") or measurement.get("startedAt"))
        if measurement.get("phase") not in _BAD:
            first = None
        elif first is None:
            first = at
    return first
