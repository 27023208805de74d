"""SVG as escaped text: elements, scales, ticks and axes. Charts are built from these."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

FONT_PX = 12
"""Size of chart text; `.lbl` in report.css sets the same size."""


def _attribute(value: float | str) -> str:
    """Coordinates to a tenth of a pixel: finer only makes the page larger."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)


def tag(name: str, *children: str | Markup, **attributes: float | str | None) -> Markup:
    """One element. Plain-string children and all attribute values are escaped.

    `class_` becomes `class`, other underscores become dashes; None leaves an attribute out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"')
    body = "".join(escape(child) for child in children)
    # Names come from this package's source; everything else was escaped above.
    return Markup("".join(parts) + (f">{body}</{name}>" if children else "/>"))  # noqa: S704


def svg(title: str, width: float, height: float, *children: Markup) -> Markup:
    """A drawing that scales with its box and names itself to assistive technology."""
    return tag("svg", tag("title", title), *children, viewBox=f"0 0 {width:g} {math.ceil(height)}", role="img", aria_label=title)


def text(x: float, y: float, content: str, *, anchor: str = "start", class_: str = "lbl") -> Markup:
    """A line of text with its baseline at `y`."""
    return tag("text", content, x=float(x), y=float(y), text_anchor=None if anchor == "start" else anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def text_width(content: str) -> float:
    """About how many pixels a label takes; errs on the wide side because fonts differ between machines."""
    return len(content) * FONT_PX * 0.58


def shorten(content: str, pixels: float) -> str:
    """Cut a label to the room there is."""
    room = max(1, int(pixels / (FONT_PX * 0.58)))
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"


def _tick_step(span: float, count: int) -> float:
    """The 1-2-5 step that cuts `span` into about `count` parts."""
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.85)


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round values that cover low to high, both ends included, about `count` steps apart."""
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = _tick_step(high - low, count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def tick_text(value: float, step: float) -> str:
    """A tick with as many decimals as its step needs and a real minus sign."""
    if value and (abs(step) < 1e-4 or abs(value) >= 1e6):
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
    decimals = max(0, -math.floor(math.log10(abs(step)) + 1e-9)) if step else 0
    return f"{value + 0.0:,.{decimals}f}".replace("-", "−")


@dataclass(frozen=True)
class Scale:
    """Linear map from a value range to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True)
class Panel:
    """The plotting area inside a drawing, in pixels."""

    left: float
    right: float
    top: float
    bottom: float


def y_axis(panel: Panel, marks: Sequence[float], label: Callable[[float, float], str] = tick_text) -> tuple[Scale, Markup]:
    """Horizontal grid lines with labels left of the panel; the scale spans the marks."""
    scale = Scale(marks[0], marks[-1], panel.bottom, panel.top)
    step = marks[1] - marks[0]
    rows = []
    for value in marks:
        y = scale(value)
        rows.append(line(panel.left, y, panel.right, y, "base" if value == marks[0] else "grid"))
        rows.append(text(panel.left - 8, y + 4, label(value, step), anchor="end", class_="lbl tick"))
    return scale, Markup("").join(rows)


def x_axis(panel: Panel, scale: Scale, name: str, count: int = 6) -> Markup:
    """Tick labels under the panel, inside the scale, and the axis name at the right end."""
    marks = [value for value in ticks(scale.low, scale.high, count) if scale.low - 1e-9 <= value <= scale.high + 1e-9]
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    parts = [text(scale(value), panel.bottom + 18, tick_text(value, step), anchor="middle", class_="lbl tick") for value in marks]
    return Markup("").join(parts) + text(panel.right, panel.bottom + 36, name, anchor="end", class_="lbl tick")
