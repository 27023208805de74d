"""Search for the day that a trace file's path names."""

from __future__ import annotations

import re
from datetime import date

_DAYS = (
    re.compile(r"year=(\d{4})/month=(\d{1,2})/day=(\d{1,2})(?!\d)"),
    re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)"),
    re.compile(r"/(\d{4})/(\d{2})/(\d{2})/"),
)


def day_of(uri: str) -> date | None:
    """The last day that the path names in a known form; None when it names none that exists."""
    for pattern in _DAYS:
        for parts in reversed(pattern.findall(uri)):
            try:
                return date(*map(int, parts))
            except ValueError:
                continue
    return None
