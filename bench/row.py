"""The shape of one measured value."""

from __future__ import annotations

from typing import TypedDict


class Row(TypedDict):
    """One line of the table. `baseline` names what it was measured against; `ok` None: no target."""

    name: str
    value: float
    unit: str
    baseline: str
    target: str
    ok: bool | None
