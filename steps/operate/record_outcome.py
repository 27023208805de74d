"""Step `record-outcome`: how a workflow ended and what it cost, on record and told to whoever wants to know."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen
from steps.contract.spec import StepContext


class Params(Frozen):
    """What the orchestrator knows at the end.

    Attributes:
        workflow: name of the workflow.
        status: Succeeded, Failed or Error.
        duration_s: seconds from start to end.
        failures: the orchestrator's own list of failed nodes, cut at 4000 characters; may be empty.
        namespace: its namespace, where the Workflow is read to meter its pods; empty, and no file: nothing is metered.
        workflow_file: the Workflow as JSON instead, as `kubectl get workflow NAME -o json` prints it.
    """

    workflow: str = Field(max_length=253)
    status: str = Field(max_length=50)
    duration_s: float = Field(default=0.0, ge=0)
    failures: str = ""
    namespace: str = Field(default="", max_length=63)
    workflow_file: str = ""


class Result(Frozen):
    """What was done with it. Where nobody counted a pod, its numbers are upper bounds: hence "at most".

    Attributes:
        outcome: succeeded, rejected, failed or error.
        recorded: whether the row is in `runs`.
        notified: whether the webhook took it.
        metered: whether the cost is in `runs`; if not, every number below is 0.
        usd_at_most: US dollars of the run's pods.
        gpu_hours_at_most: their GPU hours.
        label_usd_at_most: US dollars of labelling.
        train_usd_at_most: US dollars of training.
        gate_usd_at_most: US dollars of the gate.
        month_usd_at_most: US dollars of all metered runs of this UTC month.
        month_gpu_hours_at_most: their GPU hours.
        month_number: which month these are of, 1-12.
        month_usd_limit: the month's ceiling; 0: none.
        month_gpu_hours_limit: likewise.
        reason: what was not recorded, metered or taken, and why; empty when all is well or nobody is to be told.
    """

    outcome: str
    recorded: bool
    notified: bool
    metered: bool
    usd_at_most: float = 0.0
    gpu_hours_at_most: float = 0.0
    label_usd_at_most: float = 0.0
    train_usd_at_most: float = 0.0
    gate_usd_at_most: float = 0.0
    month_usd_at_most: float = 0.0
    month_gpu_hours_at_most: float = 0.0
    month_number: float = 0.0
    month_usd_limit: float = 0.0
    month_gpu_hours_limit: float = 0.0
    reason: str


def run(params: Params, ctx: StepContext) -> Result:
    """Record, meter and notify. None of them failing fails the step: it runs after the work is over.

    Raises:
        ConfigError: the configuration is wrong.
    """
    from steps.operate.notify import record_and_notify

    return record_and_notify(params, ctx)
