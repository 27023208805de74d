"""A plan on disk: which units there are, found by id, and the watermarks that its commit reaches. Its name is its content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from steps.contract.files import canonical_json
from steps.contract.refs import ArtifactRef
from steps.store.artifacts import read_text, write_text
from steps.store.units import Unit


def write_plan(units: Iterable[Unit], artifacts: Path, watermarks: Mapping[str, datetime]) -> ArtifactRef:
    """Write `plans/<digest>.json` below the artifacts folder.

    Args:
        units: the units.
        artifacts: the folder.
        watermarks: source -> moment up to which the plan holds all of its objects.
    """
    marks = {source: until.isoformat() for source, until in watermarks.items()}
    return write_text(artifacts / "plans", canonical_json({"units": [unit.model_dump(mode="json") for unit in units], "watermarks": marks}))


def _read(plan: ArtifactRef) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read_text(plan, "the plan", "run ingest again"))
    return document


def read_plan(plan: ArtifactRef) -> tuple[Unit, ...]:
    """The units of a plan, in its order.

    Raises:
        DataError: the file is gone or is not the one referred to.
    """
    return tuple(Unit.model_validate(unit) for unit in _read(plan)["units"])


def plan_watermarks(plan: ArtifactRef) -> dict[str, datetime]:
    """The watermarks that are reached when all units of a plan are committed.

    Raises:
        DataError: the file is gone or is not the one referred to.
    """
    return {source: datetime.fromisoformat(until) for source, until in _read(plan)["watermarks"].items()}
