"""Record of what a run has used and gained, metered at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.cluster import argo
from steps.contract.errors import DataError
from steps.operate.cost.ledger import Gain, RunCost, gain_of, record_cost
from steps.operate.cost.metering import meter_workflow, nodes_of

if TYPE_CHECKING:
    from steps.contract.spec import StepContext
    from steps.store.lake import Lake

TEMPLATE_LABEL = "workflows.argoproj.io/workflow-template"


def read_workflow(namespace: str, name: str, file: str = "") -> dict[str, Any]:
    """The Workflow object: out of a file, or from the Kubernetes API.

    Raises:
        DataError: the file is missing or no JSON object, or there is no such Workflow.
        ConfigError, AccessError, TransientError: the Kubernetes API cannot be used (`--workflow-file` needs none).
    """
    if not file:
        return argo.workflow(namespace, name)
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: not readable as JSON ({type(error).__name__}): give what `kubectl get workflow NAME -o json` prints"
        ) from error
    if not isinstance(document, dict):
        raise DataError(f"{file}: no JSON object: give what `kubectl get workflow NAME -o json` prints")
    return document


def record_workflow(lake: Lake, ctx: StepContext, workflow: Mapping[str, Any]) -> RunCost:
    """Meter a Workflow and record its cost; repeated, it leaves the same record."""
    labels = (workflow.get("metadata") or {}).get("labels") or {}
    gain, model = verdict_of(nodes_of(workflow))
    cost = RunCost(
        run_id=ctx.run_id,
        at=datetime.now(UTC),
        workflow=labels.get(TEMPLATE_LABEL) or (workflow.get("metadata") or {}).get("name", "unknown"),
        pods=meter_workflow(workflow, ctx.config.cost),
        gain=gain,
        model=model,
    )
    return record_cost(lake, cost)


def verdict_of(nodes: Mapping[str, Mapping[str, Any]]) -> tuple[Gain | None, str]:
    """What the gate measured, and the version that was pinned; None and empty where a run did not come so far."""
    gate, register = _outputs(nodes, "gate"), _outputs(nodes, "register")
    gain = gain_of(gate["phase"], json.loads(gate["metrics"])) if gate.get("phase") and gate.get("metrics") else None
    return gain, register.get("model", "") if _outputs(nodes, "release") else ""


def _outputs(nodes: Mapping[str, Mapping[str, Any]], step: str) -> dict[str, str]:
    """Output parameters of the pod of a step that ended well; empty: there is none."""
    for node in nodes.values():
        if node.get("type") == "Pod" and node.get("templateName") == step and node.get("phase") == "Succeeded":
            return {item["name"]: item.get("value", "") for item in (node.get("outputs") or {}).get("parameters") or []}
    return {}
