"""Reader of the `Retry-After` header, for every HTTP client of ours."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 60.0


def retry_after_s(value: str | None) -> float | None:
    """Seconds a `Retry-After` header asks for (a number or a date), at most 60; None without a usable one."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None
