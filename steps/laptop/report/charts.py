"""Charts as pure functions: values in, inline SVG out. Colours are CSS classes, so light and dark need no second drawing.

`width` is the drawing's own width in pixels; the page renders most charts twice, for
wide and narrow screens, because shrinking one drawing makes its text unreadable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from steps.laptop.report.svg import Panel, Scale, line, shorten, svg, tag, text, text_width, tick_text, ticks, x_axis, y_axis

Point = tuple[float, float | None]
NARROW = 520
"""Below this width labels stand above their bars instead of beside them."""


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart; `tone` is a CSS class; `note` stands after the value."""

    label: str
    value: float | None
    tone: str = "accent"
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One line: (x, y) with None where nothing was measured."""

    name: str
    points: tuple[Point, ...]
    tone: str = "accent"


@dataclass(frozen=True)
class Effect:
    """One row of a forest plot: a difference, its interval and the lowest value that passes."""

    label: str
    delta: float | None
    low: float | None
    high: float | None
    limit: float | None = None
    tone: str = "accent"
    note: str = ""


def finite(value: float | None) -> bool:
    """True for a number that can be drawn."""
    return value is not None and math.isfinite(value)


def nothing(title: str) -> Markup:
    """What stands in place of a chart without data."""
    return tag("p", f"{title}: not measured in this run.", class_="none")


def bars(title: str, rows: Sequence[Bar], width: int, number: Callable[[float], str] = lambda value: f"{value:,.0f}") -> Markup:
    """Horizontal bars, one row each, from zero; rows without a value keep their label and show a dash."""
    rows = [row if finite(row.value) else Bar(row.label, None, row.tone, row.note) for row in rows]
    if not rows:
        return nothing(title)
    above = width < NARROW
    gutter = 0.0 if above else min(width * 0.3, max(text_width(row.label) for row in rows) + 14)
    captions = ["–" if row.value is None else f"{number(row.value)}{' · ' + row.note if row.note else ''}" for row in rows]
    room = width - gutter - max(text_width(caption) for caption in captions) - 12
    top = max([row.value for row in rows if row.value is not None], default=0) or 1
    pitch, thick = (40, 14) if above else (30, 18)
    parts = []
    for index, (row, caption) in enumerate(zip(rows, captions, strict=True)):
        y = index * pitch + (20.0 if above else 6.0)
        length = max(2.0, row.value / top * room) if row.value else -8.0
        label = text(0, y - 6 if above else y + thick - 5, shorten(row.label, width if above else gutter - 6), class_="lbl strong")
        bar = tag("rect", x=gutter, y=y, width=max(length, 0.0), height=float(thick), rx="2", class_=f"fill {row.tone}")
        value = text(gutter + length + 8, y + thick - (3 if above else 5), caption, class_="lbl num")
        parts.append(tag("g", tag("title", f"{row.label}: {caption}"), label, bar, value))
    return svg(title, width, len(rows) * pitch + 6, *parts)


def meter(value: float | None, top: float) -> Markup:
    """A bar for a table cell, as a share of the longest; decoration, since the number stands beside it."""
    share = max(0.5, value / top * 100) if value and finite(value) and top > 0 else 0.0
    bar = tag("rect", x="0", y="0", width=share, height="10", class_="fill accent")
    return tag("svg", bar, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true", class_="meter")


def histogram(
    title: str,
    counts: Sequence[int],
    width: int,
    height: int = 190,
    *,
    mean: float | None = None,
    what: str = "traces",
    tone: str = "accent",
) -> Markup:
    """Counts in equal bins over 0-1, with the mean marked."""
    if not counts or sum(counts) == 0:
        return nothing(title)
    marks = ticks(0, max(counts), 3)
    panel = Panel(text_width(tick_text(marks[-1], 1)) + 14, width - 8, 8 if mean is None else 24, height - 42)
    y, axis = y_axis(panel, marks)
    x = Scale(0, 1, panel.left, panel.right)
    size = 1 / len(counts)
    parts = [axis]
    for index, count in enumerate(counts):
        low, high = index * size, (index + 1) * size
        tip = tag("title", f"{low:.2f}–{high:.2f}: {count:,} {what}")
        box = {"x": x(low) + 1, "width": max(1.0, x(high) - x(low) - 2)}
        parts.append(tag("rect", tip, y=y(count), height=panel.bottom - y(count), class_=f"fill {tone}", **box))
    parts.append(x_axis(panel, x, "score", 5))
    if mean is not None and finite(mean):
        at = x(min(max(mean, 0.0), 1.0))
        side, anchor = (-6, "end") if at > (panel.left + panel.right) / 2 else (6, "start")
        parts += [
            line(at, panel.top - 14, at, panel.bottom, "mark"),
            text(at + side, panel.top - 6, f"mean {mean:.2f}", anchor=anchor, class_="lbl strong"),
        ]
    return svg(title, width, height, *parts)


def _runs(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    """Stretches of a line between gaps."""
    run: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None and math.isfinite(y):
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


def draw_series(series: Series, x: Scale, y: Scale, x_name: str, number: Callable[[float], str]) -> Markup:
    """One line with gaps kept as gaps, its points as hover targets."""
    parts = []
    for run in _runs(series.points):
        path = "M" + "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in run)
        if len(run) > 1:
            parts.append(tag("path", d=path, class_=f"line {series.tone}"))
        for a, b in run:
            tip = tag("title", f"{series.name}: {number(b)} at {a:g} {x_name}")
            parts.append(
                tag(
                    "circle",
                    tip,
                    cx=x(a),
                    cy=y(b),
                    r="6" if len(run) > 1 else "4",
                    class_="hover" if len(run) > 1 else f"fill {series.tone}",
                )
            )
    return Markup("").join(parts)


def legend(series: Sequence[tuple[str, str]], x: float, y: float) -> Markup:
    """Names with a stroke sample each, in one row; one series needs none."""
    parts = []
    for name, tone in series if len(series) > 1 else ():
        parts += [tag("path", d=f"M{x:.1f} {y - 4:.1f}h18", class_=f"line {tone}"), text(x + 24, y, name)]
        x += 24 + text_width(name) + 18
    return Markup("").join(parts)


def extent(series: Sequence[Series]) -> tuple[float, float] | None:
    """Lowest and highest y of all lines; None without a single value."""
    values = [y for one in series for _, y in one.points if y is not None and math.isfinite(y)]
    return (min(values), max(values)) if values else None


def lines(
    title: str,
    series: Sequence[Series],
    width: int,
    height: int = 200,
    *,
    x_name: str,
    start: float | None = None,
    number: Callable[[float], str] = lambda value: f"{value:.4g}",
    floor: float | None = None,
    ceiling: float | None = None,
) -> Markup:
    """Lines over a shared x; `start`, `floor` and `ceiling` are values that the x and the y axis must reach."""
    bounds = extent(series)
    if bounds is None:
        return nothing(title)
    low, high = (min(bounds[0], bounds[0] if floor is None else floor), max(bounds[1], bounds[1] if ceiling is None else ceiling))
    marks = ticks(low, high, 4)
    step = marks[1] - marks[0]
    top = 30 if len(series) > 1 else 12
    panel = Panel(max(text_width(tick_text(mark, step)) for mark in marks) + 14, width - 10, top, height - 42)
    y, axis = y_axis(panel, marks)
    xs = [x for one in series for x, _ in one.points] + ([] if start is None else [start])
    x = Scale(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, panel.left, panel.right)
    drawn = [draw_series(one, x, y, x_name, number) for one in series]
    names = legend([(one.name, one.tone) for one in series], panel.left, 14)
    return svg(title, width, height, axis, x_axis(panel, x, x_name, max(4, width // 90)), names, *drawn)


def forest(title: str, rows: Sequence[Effect], width: int) -> Markup:
    """Differences with intervals around zero; a short red bar marks each row's limit."""
    rows = [row for row in rows if finite(row.delta)]
    if not rows:
        return nothing(title)
    values = [
        value for row in rows for value in (row.delta, row.low, row.high, row.limit, 0.0) if value is not None and math.isfinite(value)
    ]
    marks = ticks(min(values), max(values), 6 if width >= NARROW else 4)
    above = width < NARROW
    notes = 0.0 if above else max(text_width(row.note) for row in rows) + 20
    gutter = 10.0 if above else max(text_width(row.label) for row in rows) + 20
    pitch, first = (54, 34) if above else (38, 22)
    panel = Panel(gutter, width - max(notes, 14.0), 4, (len(rows) - 1) * pitch + first + 18)
    x = Scale(marks[0], marks[-1], panel.left, panel.right)
    step = marks[1] - marks[0]
    parts = []
    for value in marks:
        parts.append(line(x(value), panel.top, x(value), panel.bottom, "zero" if abs(value) < step / 1e6 else "grid"))
        sign = "+" if value > step / 1e6 else ""
        parts.append(text(x(value), panel.bottom + 18, sign + tick_text(value, step), anchor="middle", class_="lbl tick"))
    parts.append(text(panel.right, panel.bottom + 36, "candidate minus champion", anchor="end", class_="lbl tick"))
    for index, row in enumerate(rows):
        parts.append(_effect(row, x, panel, first + index * pitch, width, above))
    return svg(title, width, panel.bottom + 42, *parts)


def _effect(row: Effect, x: Scale, panel: Panel, y: float, width: int, above: bool) -> Markup:
    """One row of the forest plot."""
    parts = [tag("title", f"{row.label}: {row.note}")]
    if above:
        backing = tag("rect", x="0", y=float(y - 28), width=float(width), height="18", class_="paper")
        parts += [backing, text(0, y - 15, row.label, class_="lbl strong"), text(width, y - 15, row.note, anchor="end", class_="lbl num")]
    else:
        parts += [text(0, y + 4, row.label, class_="lbl strong"), text(panel.right + 16, y + 4, row.note, class_="lbl num")]
    if row.low is not None and row.high is not None and finite(row.low) and finite(row.high):
        low, high = x(row.low), x(row.high)
        parts += [line(low, y, high, y, f"whisker {row.tone}")]
        parts += [line(end, y - 5, end, y + 5, f"whisker {row.tone}") for end in (low, high)]
    if row.limit is not None and finite(row.limit):
        parts.append(line(x(row.limit), y - 9, x(row.limit), y + 9, "limit"))
    parts.append(tag("circle", cx=x(row.delta or 0.0), cy=float(y), r="5.5", class_=f"fill {row.tone} ring"))
    return tag("g", *parts)
