"""A plan on disk: which units there are, found by id. Its name is its content."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from steps.contract.errors import DataError
from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.contract.refs import ArtifactRef
from steps.store.units import Unit


def write_plan(units: Iterable[Unit], artifacts: Path) -> ArtifactRef:
    """Write `plans/<digest>.json` below the artifacts folder."""
    text = canonical_json([unit.model_dump(mode="json") for unit in units])
    digest = sha256_text(text)
    path = artifacts.absolute() / "plans" / f"{digest}.json"
    write_atomic(path, text)
    return ArtifactRef(uri=path.as_uri(), sha256=digest)


def read_plan(plan: ArtifactRef) -> tuple[Unit, ...]:
    """The units of a plan, in its order.

    Raises:
        DataError: the file is gone or is not the one referred to.
    """
    path = Path(plan.local_path())
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: the plan is gone: run ingest again") from None
    if sha256_text(text) != plan.sha256:
        raise DataError(f"{path}: not the plan with SHA-256 {plan.sha256[:12]}: run ingest again")
    return tuple(Unit.model_validate(unit) for unit in json.loads(text))
