"""Numbers as people read them. Every function takes None and answers with a dash."""

from __future__ import annotations

import math
from datetime import UTC, datetime

DASH = "–"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def count(value: float | None) -> str:
    """1234 as `1,234`."""
    return DASH if value is None or _missing(value) else f"{value:,.0f}".replace("-", "−")


def score(value: float | None, digits: int = 2) -> str:
    """0.5432 as `0.54`; never `-0.00`."""
    if value is None or _missing(value):
        return DASH
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def measure(value: float | None) -> str:
    """A number of unknown unit: 64.0 as `64`, 0.0221 as `0.022`."""
    return count(value) if value is not None and 10 <= abs(value) < 1e15 and value == round(value) else score(value, 3)


def signed(value: float | None, digits: int = 2) -> str:
    """0.38 as `+0.38`."""
    if value is None or _missing(value):
        return DASH
    return ("+" if round(value, digits) > 0 else "") + score(value, digits)


def interval(bounds: tuple[float | None, float | None] | None, digits: int = 2) -> str:
    """(0.31, 0.44) as `0.31–0.44`; with a negative bound as `−0.02 to 0.10`, where a dash would read as a minus."""
    if bounds is None or _missing(bounds[0]) or _missing(bounds[1]):
        return DASH
    low, high = score(bounds[0], digits), score(bounds[1], digits)
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def plain(value: float | None, unit: str = "score") -> str:
    """A metric value in its unit."""
    if value is None or _missing(value):
        return DASH
    if unit == "ms":
        return f"{value:,.0f} ms" if abs(value) >= 100 else f"{value:,.1f} ms"
    return score(value, 1) if unit == "tokens" else score(value)


def percent(ratio: float | None) -> str:
    """0.2513 as `25.1 %`, whole percents without decimals."""
    if ratio is None or _missing(ratio):
        return DASH
    return f"{round(ratio * 100, 1):g} %".replace("-", "−")


def duration(seconds: float | None) -> str:
    """0.42 as `0.4 s`, 185 as `3 min 05 s`, 7500 as `2 h 05 min`."""
    if seconds is None or _missing(seconds):
        return DASH
    if 0 < seconds < 0.05:
        return "<0.1 s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def dollars(value: float | None) -> str:
    """12.3 as `$12.30`, 0.0023 as `$0.0023`; what is left is `<$0.0001`."""
    if value is None or _missing(value):
        return DASH
    if 0 < value < 0.0001:
        return "<$0.0001"
    return f"${value:,.2f}" if value == 0 or abs(value) >= 0.1 else f"${value:.4f}"


def moment(at: datetime | None) -> str:
    """A time in UTC, to the second."""
    return DASH if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
