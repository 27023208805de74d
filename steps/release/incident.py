"""Incident timeline: the events of an abort or rollback, in seconds after the breach. Pure.

What Kubernetes stamps is taken from there (measurements of an AnalysisRun, `status.abortedAt`). What it does not
stamp (the canary's weight, the return to Healthy) is the moment at which it was first seen, which is never earlier
than it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from steps.contract.refs import Frozen, ModelRef
from steps.release.rollout_state import RolloutState, parse_timestamp

EventName = Literal["breach_seen", "aborted", "weight_zero", "pin_reverted", "alias_back", "previous_serving", "agreed"]
EVENT_TEXTS: dict[str, str] = {
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
_LIMITED: tuple[EventName, ...] = ("weight_zero", "pin_reverted", "previous_serving")


class Event(Frozen):
    """One event of an incident."""

    name: EventName = Field(description="what happened")
    at: str = Field(description="when, ISO 8601 UTC")
    after_s: float = Field(description="seconds after the breach, 0 or more")
    note: str = Field(default="", description="anything else, one line")


class Timeline(Frozen):
    """The events by which one version went and the earlier one came back."""

    environment: str = Field(description="environment of the pin")
    withdrawn: ModelRef = Field(description="the version that went")
    restored: ModelRef | None = Field(description="the version that came back; null: there is none")
    cause: Literal["analysis", "person"] = Field(description="analysis: it saw the breach; person: a person or a deadline ended the canary")
    reason: str = Field(description="why it went, one line")
    limit_s: float = Field(description="seconds from the breach within which the earlier version must be back")
    events: tuple[Event, ...] = Field(default=(), description="oldest first, the breach before all; an event stands once")

    def find(self, name: EventName) -> Event | None:
        """An event, if it happened."""
        return next((event for event in self.events if event.name == name), None)

    def add(self, name: EventName, at: datetime, note: str = "") -> Timeline:
        """With one event more; one that stands already stays as it is. The first is the breach."""
        if self.find(name):
            return self
        start = parse_timestamp(self.events[0].at) if self.events else at
        after = (at - start).total_seconds() if start else 0.0
        event = Event(name=name, at=at.astimezone(UTC).isoformat(timespec="milliseconds"), after_s=round(max(0.0, after), 3), note=note)
        first, rest = (event,) if not self.events else self.events[:1], (*self.events[1:], event) if self.events else ()
        return self.model_copy(update={"events": (*first, *sorted(rest, key=lambda item: item.after_s))})

    def add_traffic(self, state: RolloutState, now: datetime) -> Timeline:
        """With the moment from which the canary had no traffic; the stable pods were all there all the time."""
        if state.weight == 0 or (self.restored and state.serves(self.restored.version)):
            at = state.weight_zero_at or now
            return self.add("weight_zero", at).add("previous_serving", at)
        return self

    def seconds(self) -> dict[str, float]:
        """Seconds from the breach to every event."""
        return {event.name: event.after_s for event in self.events}

    def warning(self) -> str:
        """What took too long, as one line; empty: nothing did."""
        late = [(EVENT_TEXTS[name], after) for name, after in self.seconds().items() if name in _LIMITED and after > self.limit_s]
        texts = ", ".join(f"{what} after {after:.0f} s" for what, after in late)
        return f"{self.withdrawn}: over the limit of {self.limit_s:.0f} s from the breach: {texts}" if late else ""

    def lines(self) -> list[str]:
        """For people: one line an event."""
        return [
            f"{event.at}  +{event.after_s:8.1f} s  {EVENT_TEXTS[event.name]}{f' ({event.note})' if event.note else ''}"
            for event in self.events
        ]


Breach = tuple[datetime, str]


def open_timeline(line: Timeline, state: RolloutState, breach: Breach | None, now: datetime) -> Timeline:
    """Add what a failed Rollout says about its incident.

    Args:
        line: without events.
        state: the Rollout that failed.
        breach: when and in which metric analysis saw the breach; None: the Rollout or nobody says.
        now: counts where nothing earlier is stamped.
    """
    if breach is None and state.breach_seen_at:
        breach = (state.breach_seen_at, "")
    start = min(at for at in (breach[0] if breach else None, state.aborted_at, now) if at)
    line = line.model_copy(update={"cause": "analysis" if breach else "person"}).add("breach_seen", start, breach[1] if breach else "")
    if state.aborted_at:
        line = line.add("aborted", state.aborted_at)
    return line.add_traffic(state, now)


def find_breach(runs: Iterable[Mapping[str, Any]]) -> Breach | None:
    """When AnalysisRuns first saw what ended the version, and in which metric; None: no analysis did.

    It is the first of the unbroken row of bad measurements at the end of a failed metric: one bad
    measurement long ago, which the failure limit forgave, is not the breach.
    """
    breaches: list[Breach] = []
    for run in runs:
        status = run.get("status") or {}
        if status.get("phase") not in _BAD:
            continue
        for metric in status.get("metricResults") or ():
            if metric.get("phase") in _BAD and not metric.get("dryRun"):
                start = _first_of_last_row(metric.get("measurements") or ())
                breaches += [(start, str(metric.get("name") or ""))] if start else []
        if not breaches and (completed := parse_timestamp(status.get("completedAt"))):
            breaches.append((completed, str(status.get("message") or "analysis")[:200]))
    return min(breaches) if breaches else None


def _first_of_last_row(measurements: Iterable[Mapping[str, Any]]) -> datetime | None:
    first: datetime | None = None
    for measurement in measurements:
        at = parse_timestamp(measurement.get("finishedAt") or measurement.get("startedAt"))
        if measurement.get("phase") not in _BAD:
            first = None
        elif first is None:
            first = at
    return first
