"""A plan on disk: which units there are, found by id. Its name is its content."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from steps.contract.files import canonical_json
from steps.contract.refs import ArtifactRef
from steps.store.artifacts import read_text, write_text
from steps.store.units import Unit


def write_plan(units: Iterable[Unit], artifacts: Path) -> ArtifactRef:
    """Write `plans/<digest>.json` below the artifacts folder."""
    return write_text(artifacts / "plans", canonical_json([unit.model_dump(mode="json") for unit in units]))


def read_plan(plan: ArtifactRef) -> tuple[Unit, ...]:
    """The units of a plan, in its order.

    Raises:
        DataError: the file is gone or is not the one referred to.
    """
    return tuple(Unit.model_validate(unit) for unit in json.loads(read_text(plan, "the plan", "run ingest again")))
