"""Step `reject`: end a run that a person declined, so that its workflow says so."""

from __future__ import annotations

from typing import NoReturn

from pydantic import Field

from steps.contract.errors import DataError
from steps.contract.refs import Frozen
from steps.contract.spec import StepContext


class Params(Frozen):
    """What was declined, by whom and why; the decision itself is on record already."""

    stage: str = Field(description="where the run ended")
    reason: str = Field(default="", description="why, one line")
    by: str = Field(default="", description="who ended it")


class Result(Frozen):
    """Never returned."""


def run(params: Params, ctx: StepContext) -> NoReturn:
    """Exit with code 65, which is never retried.

    Raises:
        DataError: always: `rejected at STAGE by NAME: REASON`.
    """
    reason = " ".join(params.reason.split())[:300] or "no reason given"
    raise DataError(f"rejected at {params.stage} by {' '.join(params.by.split()) or 'unknown'}: {reason}")
