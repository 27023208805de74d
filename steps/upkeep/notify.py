"""Telling how a workflow ended: a row in `runs`, and a POST to whoever wants to know."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steps.config import NotifyConfig
from steps.core.spec import StepContext
from steps.upkeep.record_outcome import Params, Result

STAGE = "workflow"
MAX_FAILURES = 4000


def record_and_notify(params: Params, ctx: StepContext) -> Result:
    """Record, then notify; see `steps.upkeep.record_outcome.run`. Problems become the result's reason."""
    outcome = {"Succeeded": "succeeded", "Failed": "failed"}.get(params.status, "error")
    reasons: list[str] = []
    recorded = notified = False
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
        reasons.append(f"not recorded: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    if ctx.config.notify.webhook_url_file:
        try:
            _post(payload, ctx.config.notify)
            notified = True
        except Exception as error:
            # The URL holds a secret: only the kind of failure is told.
            reasons.append(f"not notified: {type(error).__name__}")
    return Result(outcome=outcome, recorded=recorded, notified=notified, reason="; ".join(reasons))


def _record(payload: dict[str, Any], ctx: StepContext) -> str:
    """Put the row into `runs`; a run that a person declined is `rejected`, not `failed`."""
    from steps.core.lake import open_lake

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
