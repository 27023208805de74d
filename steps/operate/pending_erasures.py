"""Pending erasures: how many were requested and are not complete, and since when the oldest waits."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steps.store.lake import Lake


def open_erasures(lake: Lake) -> tuple[int, float]:
    """How many there are, and when the oldest was requested, in seconds since 1970; 0 without any.

    One whose request carries no time counts as old as the epoch's first second: late, not forgotten.
    """
    rows = lake.scan("erasures", ("requested_at", "payload_json")).to_pylist()
    waiting = [row["requested_at"] for row in rows if not json.loads(row["payload_json"] or "{}").get("complete")]
    requested = [1.0 if at is None else at.replace(tzinfo=at.tzinfo or UTC).timestamp() for at in waiting]
    return len(requested), round(min(requested, default=0.0), 3)
