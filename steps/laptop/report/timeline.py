"""The canary's story in one drawing: weight and share above, both versions' faithfulness below, marks across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steps.laptop.report.charts import Series, draw_series, extent, legend, nothing
from steps.laptop.report.record import CanaryPoint
from steps.laptop.report.svg import Panel, Scale, line, svg, tag, text, ticks, x_axis, y_axis

LANES = 3
_PHASES = ("Successful", "Failed", "Inconclusive", "Error")
_BAD_WORDS = ("abort", "fail", "error", "rolled back", "reverted")
_GOOD_WORDS = ("pass", "success", "promot")


@dataclass(frozen=True)
class Mark:
    """A numbered moment of the timeline."""

    number: int
    t_s: float
    text: str
    tone: str


def tone_of(words: str) -> str:
    """Colour class of a verdict or event, read from its words."""
    lower = words.lower()
    if any(word in lower for word in _BAD_WORDS):
        return "bad"
    return "good" if any(word in lower for word in _GOOD_WORDS) else "warn" if "inconclusive" in lower else "plain"


def marks_of(points: Sequence[CanaryPoint]) -> list[Mark]:
    """The points that carry an event, numbered in order of time."""
    events = [point for point in sorted(points, key=lambda point: point.t_s) if point.event]
    return [Mark(number, point.t_s, _spoken(point), tone_of(point.event)) for number, point in enumerate(events, start=1)]


def _spoken(point: CanaryPoint) -> str:
    """An event as a phrase: a bare phase says which weight it judged."""
    return f"analysis at {point.weight:g} %: {point.event}" if point.event in _PHASES else point.event


def stepped_area(points: Sequence[CanaryPoint], x: Scale, y: Scale, bottom: float) -> Markup:
    """The weight: it holds until the next point changes it."""
    path = f"M{x(points[0].t_s):.1f} {bottom:.1f}"
    last = None
    for point in points:
        if point.weight != last:
            path += f"H{x(point.t_s):.1f}V{y(point.weight):.1f}"
            last = point.weight
    path += f"H{x(points[-1].t_s):.1f}"
    return tag("path", d=path + f"V{bottom:.1f}Z", class_="area accent") + tag("path", d=path, class_="line accent thin")


def _lanes(marks: Sequence[Mark], x: Scale) -> list[int]:
    """The row each number stands in, so that close ones do not cover each other; at most `LANES` rows."""
    lanes, ends = [], [-99.0] * LANES
    for mark in marks:
        at = x(mark.t_s)
        lane = next((index for index, end in enumerate(ends) if at - end >= 21), LANES - 1)
        ends[lane] = at
        lanes.append(lane)
    return lanes


def _marks(marks: Sequence[Mark], lanes: Sequence[int], x: Scale, panels: Sequence[Panel]) -> Markup:
    """A line through every panel for each event, with its number above the first."""
    parts = []
    for mark, lane in zip(marks, lanes, strict=True):
        at, y = x(mark.t_s), panels[0].top - 14.0 - lane * 22
        strokes = [line(at, y, at, panels[0].bottom, f"event {mark.tone}")]
        strokes += [line(at, panel.top, at, panel.bottom, f"event {mark.tone}") for panel in panels[1:]]
        badge = tag("circle", cx=at, cy=y, r="9", class_=f"fill {mark.tone}")
        number = text(at, y + 4, str(mark.number), anchor="middle", class_="lbl badge")
        parts.append(tag("g", tag("title", f"{mark.t_s:.1f} s: {mark.text}"), *strokes, badge, number))
    return Markup("").join(parts)


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _score(value: float) -> str:
    return f"{value:.2f}"


def canary_timeline(points: Sequence[CanaryPoint], width: int) -> Markup:
    """Two panels over one time axis: traffic to the canary in percent, and faithfulness 0-1 of both versions."""
    title = "Canary timeline: traffic weight and faithfulness over time"
    if not points:
        return nothing(title)
    points = sorted(points, key=lambda point: point.t_s)
    start = min(0.0, points[0].t_s)
    x = Scale(start, points[-1].t_s if points[-1].t_s > start else start + 1, 50, width - 12)
    marks = marks_of(points)
    lanes = _lanes(marks, x)
    head = 28 + 22 * (max(lanes, default=-1) + 1) + (4 if lanes else 0)
    upper = Panel(x.start, x.end, head, head + 100)
    lower = Panel(x.start, x.end, upper.bottom + 62, upper.bottom + 62 + 150)
    y, axis = y_axis(upper, [0, 50, 100], lambda value, step: _percent(value))
    share = Series("traffic received", tuple((point.t_s, None if point.share is None else point.share * 100) for point in points), "ink")
    parts = [axis, stepped_area(points, x, y, upper.bottom), draw_series(share, x, y, "s", _percent)]
    parts.append(legend([("weight set", "accent"), (share.name, "ink")], upper.left, 12))
    stable = Series("stable", tuple((point.t_s, point.faithfulness_stable) for point in points), "base-line")
    canary = Series("canary", tuple((point.t_s, point.faithfulness_canary) for point in points), "accent")
    bounds = extent([stable, canary])
    if bounds is not None:
        y, axis = y_axis(lower, ticks(*bounds, 4))
        parts += [axis, draw_series(stable, x, y, "s", _score), draw_series(canary, x, y, "s", _score)]
        parts += [text(lower.left, lower.top - 32, "Faithfulness of live answers", class_="lbl strong")]
        parts += [legend([("stable", "base-line"), ("canary", "accent")], lower.left, lower.top - 12)]
    last = lower if bounds is not None else upper
    parts += [
        _marks(marks, lanes, x, (upper, lower) if bounds is not None else (upper,)),
        x_axis(last, x, "seconds since the canary began", max(4, width // 90)),
    ]
    return svg(title, width, last.bottom + 42, *parts)
