"""Step `govern-shard`: one unit through the gates into data files that no table knows yet."""

from __future__ import annotations

from typing import Annotated

from steps.contract.refs import ArtifactRef, FromJson, Frozen
from steps.contract.spec import StepContext
from steps.store.units import Unit


class Params(Frozen):
    """Which unit.

    Attributes:
        unit: a unit as JSON, or its id in `plan`; the id keeps arguments short when a unit has thousands of files.
        plan: the plan that `ingest` or `backfill` wrote; needed with an id.
    """

    unit: Annotated[Unit | str, FromJson]
    plan: ArtifactRef | None = None


class Result(Frozen):
    """What waits to be committed.

    Attributes:
        manifest: names the written files and counts; input of `govern-commit`.
        unit: id of the unit.
        kept: traces that passed the gates.
        stopped: traces that a gate stopped.
        quarantined: lines, rows and span groups that gave no trace.
        done: the unit was committed before; nothing was read.
    """

    manifest: ArtifactRef
    unit: str
    kept: int
    stopped: int
    quarantined: int
    done: bool


def run(params: Params, ctx: StepContext) -> Result:
    """Read, gate and write one unit; commit nothing.

    Raises:
        DataError: the unit is not in the plan, or a planned file changed or is gone.
        AccessError: a file or the key may not be read.
        TransientError: the lake does not answer.
    """
    from steps.govern.staging import stage_unit

    return stage_unit(params, ctx)
