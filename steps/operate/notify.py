"""Telling how a workflow ended: a row in `runs`, and a POST to whoever wants to know."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steps.contract.config import NotifyConfig
from steps.contract.spec import StepContext
from steps.operate.cost.ledger import month_of, month_spent
from steps.operate.cost.record_run import read_workflow, settle
from steps.operate.record_outcome import Params, Result
from steps.store.lake import open_lake

STAGE = "workflow"
MAX_FAILURES = 4000


def record_and_notify(params: Params, ctx: StepContext) -> Result:
    """Record, then notify; see `steps.operate.record_outcome.run`. Problems become the result's reason."""
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
        reasons.append(f"not recorded: {_said(error)}")
    costs: dict[str, float] = {}
    if params.namespace or params.workflow_file:
        try:
            costs = _meter(params, ctx)
        except Exception as error:
            reasons.append(f"not metered: {_said(error)}")
    payload |= {name: costs[name] for name in ("usd_at_most", "gpu_hours_at_most") if name in costs}
    notified, refused = tell(payload, ctx.config.notify)
    reasons += [refused] if refused else []
    return Result(outcome=outcome, recorded=recorded, notified=notified, metered=bool(costs), reason="; ".join(reasons), **costs)


def tell(payload: dict[str, Any], config: NotifyConfig) -> tuple[bool, str]:
    """Tell whoever wants to know: whether it was taken, and why not; nobody to tell is no reason."""
    if not config.webhook_url_file:
        return False, ""
    try:
        _post(payload, config)
    except Exception as error:
        # The URL holds a secret: only the kind of failure is told.
        return False, f"not notified: {type(error).__name__}"
    return True, ""


def _said(error: Exception) -> str:
    """An error as one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _meter(params: Params, ctx: StepContext) -> dict[str, float]:
    """Record what the run's pods have used; returns the numbers of the result."""
    workflow = read_workflow(params.namespace, params.workflow, params.workflow_file)
    with open_lake(ctx.config, ctx.workdir) as lake:
        cost = settle(lake, ctx, workflow)
        spent = month_spent(lake, month_of(cost.at), without=ctx.run_id)
    of = {name: sum(pod.usd for pod in cost.pods if pod.stage.split("-")[0] == name) for name in ("label", "train", "gate")}
    found = {
        "usd_at_most": cost.usd_at_most,
        "gpu_hours_at_most": cost.gpu_hours_at_most,
        **{f"{name}_usd_at_most": usd for name, usd in of.items()},
        "month_usd_at_most": spent.usd,
        "month_gpu_hours_at_most": spent.gpu_hours,
        "month_number": float(month_of(cost.at)[-2:]),
        "month_usd_limit": ctx.config.cost.monthly_usd_limit,
        "month_gpu_hours_limit": ctx.config.cost.monthly_gpu_hours_limit,
    }
    return {name: round(value, 6) for name, value in found.items()}


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


def _post(payload: dict[str, Any], config: NotifyConfig) -> None:
    """POST the outcome as JSON.

    Raises:
        ValueError: the file holds no http(s) URL.
        OSError: the file cannot be read, or nobody takes the request.
    """
    url = Path(config.webhook_url_file).read_text(encoding="utf-8").strip()
    if not url.startswith(("https://", "http://")):
        raise ValueError("no http(s) URL")
    request = urllib.request.Request(  # noqa: S310 - scheme checked above
        url, data=json.dumps(payload).encode(), headers={"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=config.timeout_s):  # noqa: S310
        pass
