"""What a run has used, pod by pod, priced at the moment of metering. Pure.

On a cluster the numbers are Argo's own: at the end of a pod its controller stores how long each
container ran times what it asked for (`resourcesDuration`). No variable of a workflow carries
them, so the exit handler reads the Workflow object itself. Argo calls them indicative: whole
seconds, requests instead of use, and nothing for the time in which a node starts or idles.

Source: Argo Workflows v4.1, docs/resource-duration.md, docs/variables.md (exit handler:
    workflow.status, workflow.failures, workflow.duration only), util/resource/duration.go.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from steps.contract.config import CostConfig
from steps.contract.config.prices import HOUR_S
from steps.contract.errors import DataError
from steps.contract.refs import Frozen
from steps.operate.cost.estimates import pod_hour_usd

GPU = "nvidia.com/gpu"
# Argo counts memory in units of 100 MiB.
ARGO_MEMORY_GIB = 100 / 1024
_UNITS = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
# The pod that meters is still running.
METERING_STEP = "record-outcome"
# Annotation of a template whose pod only waits: so many GPUs work elsewhere meanwhile, as in a RayCluster. A number,
# or the reference to the input of the node that is one: templates are stored as they were written.
GPUS_ELSEWHERE = "ctp/gpus-elsewhere"
_INPUT = re.compile(r"\{\{inputs\.parameters\.([\w-]+)\}\}")


class PodUse(Frozen):
    """One pod of a run, or one stage of a local one."""

    id: str = Field(description="unique within the run")
    stage: str = Field(description="the step; `train` also where its GPUs work for a pod that waits")
    seconds: float = Field(description="how long its containers ran")
    cpu_core_s: float = Field(description="core seconds, as requested")
    memory_gib_s: float = Field(description="GiB seconds, as requested")
    gpu_s: float = Field(description="GPU seconds")
    usd: float = Field(description="price at the time of metering")
    metered: bool = Field(
        default=True,
        description=(
            "False: nobody counted, since the pod vanished or the work ran elsewhere, and every number is an upper "
            "bound: from the pod's creation to its end, waiting for a node included"
        ),
    )


def quantity(text: str | float) -> float:
    """A Kubernetes quantity as a number: "250m" is 0.25, "8Gi" is 8589934592.

    Raises:
        DataError: it is none.
    """
    text = str(text)
    unit = text.lstrip("0123456789.")
    try:
        return float(text.removesuffix(unit)) * _UNITS[unit]
    except (KeyError, ValueError):
        raise DataError(f"{text!r} is no Kubernetes quantity, as in 250m or 8Gi") from None


def requests_of(template: Mapping[str, Any], elsewhere: float = 0) -> tuple[float, float, float]:
    """Cores, GiB and GPUs that a template's container asks for, or the GPUs that work elsewhere for it."""
    resources = {**((template.get("container") or {}).get("resources") or {}).get("limits", {})}
    resources |= ((template.get("container") or {}).get("resources") or {}).get("requests", {})
    return (
        quantity(resources.get("cpu", "100m")),
        quantity(resources.get("memory", "100Mi")) / 2**30,
        elsewhere or quantity(resources.get(GPU, 0)),
    )


def gpus_elsewhere(template: Mapping[str, Any], node: Mapping[str, Any]) -> float:
    """GPUs that work while this node's pod waits.

    Raises:
        DataError: the template says so by an input that the node lacks, or that is no number.
    """
    text = str(((template.get("metadata") or {}).get("annotations") or {}).get(GPUS_ELSEWHERE, 0))
    if reference := _INPUT.fullmatch(text):
        inputs = {item["name"]: str(item.get("value", "")) for item in (node.get("inputs") or {}).get("parameters", [])}
        text = inputs.get(reference[1], "")
    try:
        return float(text)
    except ValueError:
        name = node.get("displayName", "")
        raise DataError(f"node {name}: {GPUS_ELSEWHERE} is {text!r}: it must be the number of GPUs that the node waits for") from None


def meter_workflow(workflow: Mapping[str, Any], cost: CostConfig) -> tuple[PodUse, ...]:
    """Every finished pod of a Workflow object but the one that meters.

    Raises:
        DataError: it is no Workflow, or its nodes lie in the controller's database.
    """
    templates = {item["name"]: item for item in _templates(workflow)}
    pods = []
    for identity, node in sorted(nodes_of(workflow).items()):
        step = node.get("templateName") or (node.get("templateRef") or {}).get("template") or node.get("displayName", "")
        if node.get("type") == "Pod" and node.get("finishedAt") and step != METERING_STEP:
            template = templates.get(step, {})
            elsewhere = gpus_elsewhere(template, node)
            stage = "train" if elsewhere else step
            pods.append(_pod(identity, stage, node, requests_of(template, elsewhere), cost, counted=not elsewhere))
    return tuple(pods)


def nodes_of(workflow: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The nodes of a Workflow object, unpacked where Argo has compressed them.

    Raises:
        DataError: it is no Workflow, or its nodes lie in the controller's database.
    """
    status = workflow.get("status")
    if workflow.get("kind", "Workflow") != "Workflow" or not isinstance(status, Mapping):
        raise DataError("this is no Workflow with a status: pass what `kubectl get workflow NAME -o json` prints")
    if status.get("compressedNodes"):
        unpacked: dict[str, dict[str, Any]] = json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
        return unpacked
    if status.get("offloadNodeStatusVersion"):
        raise DataError(
            "the nodes of this Workflow lie in the controller's database (persistence.nodeStatusOffLoad): switch it off to meter"
        )
    return dict(status.get("nodes") or {})


def _templates(workflow: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    stored = (workflow.get("status") or {}).get("storedWorkflowTemplateSpec") or {}
    return [*(workflow.get("spec") or {}).get("templates", []), *stored.get("templates", [])]


def _pod(
    identity: str, step: str, node: Mapping[str, Any], requests: tuple[float, float, float], cost: CostConfig, *, counted: bool
) -> PodUse:
    cores, gib, gpus = requests
    used = (node.get("resourcesDuration") or {}) if counted else {}
    core_s, gib_s, gpu_s = float(used.get("cpu", 0)), used.get("memory", 0) * ARGO_MEMORY_GIB, float(used.get(GPU, 0))
    metered = bool(core_s or gib_s or gpu_s)
    wall_s = max(0.0, (_time(node["finishedAt"]) - _time(node.get("startedAt") or node["finishedAt"])).total_seconds())
    if not metered:
        core_s, gib_s, gpu_s = wall_s * cores, wall_s * gib, wall_s * gpus
    # Argo's sidecars count, too, so that seconds are exact only by GPUs.
    seconds = wall_s if not metered else gpu_s / gpus if gpus and gpu_s else min(wall_s, core_s / cores)
    usd = (
        seconds * pod_hour_usd(cost, step, cores=0, gib=0, gpus=gpus) if gpus else pod_hour_usd(cost, step, cores=core_s, gib=gib_s, gpus=0)
    )
    return PodUse(
        id=identity,
        stage=step,
        seconds=round(seconds, 3),
        cpu_core_s=round(core_s, 3),
        memory_gib_s=round(gib_s, 3),
        gpu_s=round(gpu_s, 3),
        usd=usd / HOUR_S,
        metered=metered,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def meter_local(seconds: Mapping[str, float], cpu_seconds: Mapping[str, float], cost: CostConfig) -> tuple[PodUse, ...]:
    """The stages of a local run: wall seconds times the cores in use, at least one; memory is not counted.

    `train` pays GPUs where the configuration gives it some.
    """
    pods = []
    for stage, wall_s in seconds.items():
        gpus = cost.train_gpus if stage == "train" else 0
        core_s = max(wall_s, cpu_seconds.get(stage, 0.0))
        usd = (
            wall_s * pod_hour_usd(cost, stage, cores=0, gib=0, gpus=gpus)
            if gpus
            else pod_hour_usd(cost, stage, cores=core_s, gib=0, gpus=0)
        )
        pods.append(
            PodUse(id=stage, stage=stage, seconds=wall_s, cpu_core_s=core_s, memory_gib_s=0.0, gpu_s=wall_s * gpus, usd=usd / HOUR_S)
        )
    return tuple(pods)
