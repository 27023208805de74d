"""Step `record-outcome`: how a workflow ended, on record and told to whoever wants to know."""

from __future__ import annotations

from pydantic import Field

from steps.core.refs import Frozen
from steps.core.spec import StepContext


class Params(Frozen):
    """What the orchestrator knows at the end.

    Attributes:
        workflow: name of the workflow.
        status: Succeeded, Failed or Error.
        duration_s: seconds from start to end.
        failures: the orchestrator's own list of failed nodes, cut at 4000 characters; may be empty.
    """

    workflow: str = Field(max_length=253)
    status: str = Field(max_length=50)
    duration_s: float = Field(default=0.0, ge=0)
    failures: str = ""


class Result(Frozen):
    """What was done with it.

    Attributes:
        outcome: succeeded, rejected, failed or error.
        recorded: whether the row is in `runs`.
        notified: whether the webhook took it.
        reason: why it was not recorded or not taken; empty when all is well or nobody is to be told.
    """

    outcome: str
    recorded: bool
    notified: bool
    reason: str


def run(params: Params, ctx: StepContext) -> Result:
    """Record and notify. Neither failing fails the step: it runs after the work is over.

    Raises:
        ConfigError: the configuration is wrong.
    """
    from steps.upkeep.notify import record_and_notify

    return record_and_notify(params, ctx)
