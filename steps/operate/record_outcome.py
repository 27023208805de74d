"""Step `record-outcome`: record how a workflow ended and what it cost, and notify the webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from steps.contract.refs import Frozen
from steps.contract.spec import StepContext
from steps.operate.cost.ledger import month_of, month_spent
from steps.operate.cost.record_run import read_workflow, record_workflow
from steps.operate.notify import notify
from steps.store.lake import open_lake

STAGE = "workflow"
MAX_FAILURES = 4000


class Params(Frozen):
    """What the orchestrator knows at the end."""

    workflow: str = Field(max_length=253, description="name of the workflow")
    status: str = Field(max_length=50, description="Succeeded, Failed or Error")
    duration_s: float = Field(default=0.0, ge=0, description="seconds from start to end")
    failures: str = Field(default="", description="the orchestrator's own list of failed nodes, cut at 4000 characters; may be empty")
    namespace: str = Field(
        default="",
        max_length=63,
        description="its namespace, where the Workflow is read to meter its pods; empty, and no file: nothing is metered",
    )
    workflow_file: str = Field(default="", description="the Workflow as JSON instead, as `kubectl get workflow NAME -o json` prints it")


class Result(Frozen):
    """What was done with it. Where nobody counted a pod, its numbers are upper bounds: hence "at most"."""

    outcome: str = Field(description="succeeded, rejected, failed or error")
    recorded: bool = Field(description="whether the row is in `runs`")
    notified: bool = Field(description="whether the webhook took it")
    metered: bool = Field(description="whether the cost is in `runs`; if not, every number below is 0")
    usd_at_most: float = Field(default=0.0, description="US dollars of the run's pods")
    gpu_hours_at_most: float = Field(default=0.0, description="their GPU hours")
    label_usd_at_most: float = Field(default=0.0, description="US dollars of labelling")
    train_usd_at_most: float = Field(default=0.0, description="US dollars of training")
    gate_usd_at_most: float = Field(default=0.0, description="US dollars of the gate")
    month_usd_at_most: float = Field(default=0.0, description="US dollars of all metered runs of this UTC month")
    month_gpu_hours_at_most: float = Field(default=0.0, description="their GPU hours")
    month_number: float = Field(default=0.0, description="which month these are of, 1-12")
    month_usd_limit: float = Field(default=0.0, description="the month's ceiling; 0: none")
    month_gpu_hours_limit: float = Field(default=0.0, description="likewise")
    reason: str = Field(description="what was not recorded, metered or taken, and why; empty when all is well or nobody is to be told")


def run(params: Params, ctx: StepContext) -> Result:
    """Record, meter and notify. None of them failing fails the step: it runs after the work is over.

    Raises:
        ConfigError: the configuration is wrong.
    """
    outcome = {"Succeeded": "succeeded", "Failed": "failed"}.get(params.status, "error")
    reasons: list[str] = []
    recorded = False
    payload = {
        "workflow": params.workflow,
        "run_id": ctx.run_id,
        "outcome": outcome,
        "status": params.status,
        "duration_s": params.duration_s,
        "failures": params.failures[:MAX_FAILURES],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        payload["outcome"] = outcome = _record(payload, ctx)
        recorded = True
    except Exception as error:  # the work is over, and its outcome must not depend on this
        reasons.append(f"not recorded: {_one_line(error)}")
    costs: dict[str, float] = {}
    if params.namespace or params.workflow_file:
        try:
            costs = _meter(params, ctx)
        except Exception as error:
            reasons.append(f"not metered: {_one_line(error)}")
    payload |= {name: costs[name] for name in ("usd_at_most", "gpu_hours_at_most") if name in costs}
    notified, refused = notify(payload, ctx.config.notify)
    reasons += [refused] if refused else []
    return Result(outcome=outcome, recorded=recorded, notified=notified, metered=bool(costs), reason="; ".join(reasons), **costs)


def _one_line(error: Exception) -> str:
    """An error as one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _meter(params: Params, ctx: StepContext) -> dict[str, float]:
    """Record what the run's pods have used; returns the numbers of the result."""
    workflow = read_workflow(params.namespace, params.workflow, params.workflow_file)
    with open_lake(ctx.config, ctx.workdir) as lake:
        cost = record_workflow(lake, ctx, workflow)
        spent = month_spent(lake, month_of(cost.at), without=ctx.run_id)
    of = {name: sum(pod.usd for pod in cost.pods if pod.stage.split("-")[0] == name) for name in ("label", "train", "gate")}
    costs = {
        "usd_at_most": cost.usd_at_most,
        "gpu_hours_at_most": cost.gpu_hours_at_most,
        **{f"{name}_usd_at_most": usd for name, usd in of.items()},
        "month_usd_at_most": spent.usd,
        "month_gpu_hours_at_most": spent.gpu_hours,
        "month_number": float(month_of(cost.at)[-2:]),
        "month_usd_limit": ctx.config.cost.monthly_usd_limit,
        "month_gpu_hours_limit": ctx.config.cost.monthly_gpu_hours_limit,
    }
    return {name: round(value, 6) for name, value in costs.items()}


def _record(payload: dict[str, Any], ctx: StepContext) -> str:
    """Put the row into `runs`; a run that a person declined is `rejected`, not `failed`."""
    with open_lake(ctx.config, ctx.workdir) as lake:
        declined = any(
            record.stage.startswith("approve-") and record.payload.get("decision") == "rejected"
            for record in lake.run_records(run_id=ctx.run_id)
        )
        outcome = "rejected" if declined and payload["outcome"] == "failed" else str(payload["outcome"])
        lake.append_run_record(ctx.run_id, STAGE, payload | {"outcome": outcome}, key=f"{STAGE}:{ctx.run_id}")
    return outcome
