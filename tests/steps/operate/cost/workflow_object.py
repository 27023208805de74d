"""A Workflow object as the Kubernetes API gives it, for metering."""

from __future__ import annotations

from typing import Any

TEMPLATES = [
    {"name": "main", "dag": {"tasks": []}},
    {
        "name": "label-shard",
        "container": {"resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"cpu": "4", "memory": "4Gi"}}},
    },
    {
        "name": "train",
        "container": {
            "resources": {"requests": {"cpu": "24", "memory": "256Gi", "nvidia.com/gpu": "8"}, "limits": {"nvidia.com/gpu": "8"}}
        },
    },
    {
        "name": "rayjob-wait",
        "metadata": {"annotations": {"ctp/gpus-elsewhere": "{{inputs.parameters.gpus}}"}},
        "resource": {"action": "get"},
    },
    {"name": "gate", "container": {"resources": {"requests": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"}}}},
    {"name": "register", "container": {}},
    {"name": "release", "container": {}},
    {"name": "record-outcome", "container": {}},
]


def pod(
    template: str,
    minutes: int,
    used: dict[str, int] | None,
    *,
    phase: str = "Succeeded",
    inputs: dict[str, str] | None = None,
    outputs: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A pod's node that ran so many minutes; `used` is Argo's resourcesDuration."""
    node: dict[str, Any] = {"type": "Pod", "templateName": template, "displayName": template, "phase": phase}
    node |= {"startedAt": "2026-05-04T05:00:00Z", "finishedAt": f"2026-05-04T{5 + minutes // 60:02d}:{minutes % 60:02d}:00Z"}
    if used is not None:
        node["resourcesDuration"] = used
    for side, values in (("inputs", inputs), ("outputs", outputs)):
        if values:
            node[side] = {"parameters": [{"name": name, "value": value} for name, value in values.items()]}
    return node


def workflow(nodes: dict[str, dict[str, Any]], **status: Any) -> dict[str, Any]:
    """The Workflow, its templates stored as they were when it began."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": "continuous-training-x2x4x",
            "labels": {"workflows.argoproj.io/workflow-template": "continuous-training"},
        },
        "spec": {"workflowTemplateRef": {"name": "continuous-training"}},
        "status": {"nodes": nodes, "storedWorkflowTemplateSpec": {"templates": TEMPLATES}, **status},
    }


METRICS = '{"faithfulness":{"champion":0.8,"candidate":0.84,"delta":0.04,"ci95":[0.02,0.06],"n":200}}'


def released() -> dict[str, dict[str, Any]]:
    """A run that labelled, lost a pod, trained for two hours on 8 GPUs, passed the gate and released."""
    return {
        "dag": {"type": "DAG", "templateName": "main", "phase": "Running", "startedAt": "2026-05-04T05:00:00Z"},
        "retry": {"type": "Retry", "templateName": "label-shard", "phase": "Succeeded", "resourcesDuration": {"cpu": 9999, "memory": 9999}},
        "label-0": pod("label-shard", 30, {"cpu": 0, "memory": 0}, phase="Error"),
        "label-1": pod("label-shard", 60, {"cpu": 3600, "memory": 147456}),
        "train-0": pod("train", 120, {"cpu": 172800, "memory": 18874368, "nvidia.com/gpu": 57600}),
        "gate-0": pod(
            "gate", 30, {"cpu": 14400, "memory": 1179648, "nvidia.com/gpu": 3600}, outputs={"phase": "Successful", "metrics": METRICS}
        ),
        "register-0": pod("register", 1, {"cpu": 6, "memory": 60}, outputs={"model": "agent-model@2"}),
        "release-0": pod("release", 1, {"cpu": 6, "memory": 60}, outputs={"commit": "abc"}),
        "exit-0": {"type": "Pod", "templateName": "record-outcome", "phase": "Running", "startedAt": "2026-05-04T08:00:00Z"},
    }
