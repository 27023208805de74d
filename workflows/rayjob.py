"""The RayJob of a NeMo-RL training: one head without GPUs and as many workers as nodes, admitted all together.

Sources: KubeRay v1.7.0, ray-operator/apis/ray/v1/rayjob_types.go; Kueue v0.19, docs/tasks/run/rayjobs;
NeMo-RL v0.7.0, docs/cluster.md and ray.sub (ports).
"""

from __future__ import annotations

from typing import Any

import yaml
from hera.workflows import models as m

from workflows import resources
from workflows.environment import Environment, RayNode
from workflows.templates import input_param, labels, workflow_param

# 40 of the 47 characters that KubeRay allows.
NAME = "ctp-{{workflow.uid}}"
# Of the image (target nemo-rl): NeMo-RL's own Python, and our modules beside it.
PYTHON = "/opt/nemo_rl_venv/bin/python"
FOLDER = f"{resources.WORKDIR}/nemo"
GPU, EFA = "nvidia.com/gpu", "vpc.amazonaws.com/efa"
# Inputs of the template that the text stands in.
KEY, NODES, GPUS_PER_NODE = input_param("key"), input_param("nodes"), input_param("gpus_per_node")
NAME_LABEL = "app.kubernetes.io/name"
SHM = "/dev/shm"  # noqa: S108
# Ray's own range overlaps the ports that NeMo-RL gives to vLLM (11001-15000) and to its rendezvous (25000-28000).
WORKER_PORTS = {"min-worker-port": "10002", "max-worker-port": "11000"}


def manifest(env: Environment, account: str) -> str:
    """The RayJob as text, with Argo's variables in it.

    The only variable in `entrypoint`, which Ray gives to a shell, is the key: 16 hex digits that
    `nemo-prepare` made. It read nodes and GPUs from the cluster's configuration when it wrote the
    training's, so that both are of one size. `suspend` is left out, since Kueue sets it when the
    object is created.
    """
    nemo = env.workflows.nemo
    queue = {"kueue.x-k8s.io/queue-name": nemo.queue}
    if nemo.priority_class:
        queue["kueue.x-k8s.io/priority-class"] = nemo.priority_class
    body = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": NAME, "namespace": env.workflows.namespace, "labels": labels(account) | queue},
        "spec": {
            "entrypoint": f"{PYTHON} -u -m steps.train.nemo.launch {FOLDER}/{KEY}",
            # A submitter's pod would stand outside of what Kueue admits together.
            "submissionMode": "HTTPMode",
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 60,
            "activeDeadlineSeconds": nemo.deadline_s,
            "preRunningDeadlineSeconds": nemo.pending_s,
            # Every further attempt is a new RayCluster that goes on from the last checkpoint.
            "backoffLimit": nemo.attempts - 1,
            "rayClusterSpec": _cluster(env, account),
        },
    }
    text = str(yaml.safe_dump(body, sort_keys=False, width=10_000))
    # Argo puts values into the text: in quotation marks this one would not be a number. Its validation knows the form
    # (SubstituteResourceManifestExpressions in workflow/validate/validate.go of v4.1.2).
    return text.replace(f"'{NODES}'", NODES)


def reference(env: Environment) -> str:
    """Only what names the RayJob."""
    metadata = {"name": NAME, "namespace": env.workflows.namespace}
    return str(yaml.safe_dump({"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": metadata}, sort_keys=False))


def _cluster(env: Environment, account: str) -> dict[str, Any]:
    nemo = env.workflows.nemo
    workers = {
        "groupName": "gpu",
        "replicas": NODES,
        "minReplicas": NODES,
        "maxReplicas": NODES,
        "rayStartParams": {"num-gpus": GPUS_PER_NODE, **WORKER_PORTS},
        "template": _pod(env, account, nemo.worker, "gpu", GPUS_PER_NODE),
    }
    # no-monitor: without an autoscaler to serve, Ray's monitor would take workers for superfluous.
    start = {"dashboard-host": "0.0.0.0", "num-gpus": "0", "no-monitor": "true", **WORKER_PORTS}  # noqa: S104
    return {
        "rayVersion": nemo.ray_version,
        "enableInTreeAutoscaling": False,
        "headGroupSpec": {"rayStartParams": start, "template": _pod(env, account, nemo.head, "head", "")},
        "workerGroupSpecs": [workers],
    }


def _pod(env: Environment, account: str, node: RayNode, role: str, gpus: str) -> dict[str, Any]:
    """A pod template. KubeRay copies the container's security context to the init container that it adds."""
    nemo = env.workflows.nemo
    spec: dict[str, Any] = {
        "serviceAccountName": resources.service_account(account),
        # Neither Ray nor the training asks the API server anything.
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": _plain(resources.pod_security(env)),
        "nodeSelector": dict(node.node_selector),
        "tolerations": [item.model_dump(exclude_none=True) for item in node.tolerations],
        "containers": [_container(env, node, role, gpus)],
        "volumes": _volumes(env, account, node),
    }
    if nemo.priority_class:
        spec["priorityClassName"] = nemo.priority_class
    if gpus:
        own = {"labelSelector": {"matchLabels": {"ctp.dev/ray": role}}, "topologyKey": "kubernetes.io/hostname"}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [own]}}
    return {
        "metadata": {
            # Without app.kubernetes.io/name: by it, as KubeRay sets it, the head's Service finds the head.
            "labels": {name: value for name, value in labels(account).items() if name != NAME_LABEL} | {"ctp.dev/ray": role},
            "annotations": {"karpenter.sh/do-not-disrupt": "true"},
        },
        "spec": spec,
    }


def _container(env: Environment, node: RayNode, role: str, gpus: str) -> dict[str, Any]:
    nemo = env.workflows.nemo
    amounts = {"cpu": node.cpu, "memory": node.memory}
    if gpus:
        amounts[GPU] = gpus
        if nemo.efa:
            amounts[EFA] = str(nemo.efa)
    # vLLM's workers rewrite files of their own package when they start (NeMo-RL, models/generation/vllm/patches.py),
    # so the root stays writable; everything else that `restricted` demands, and more, holds.
    security = _plain(resources.container_security()) | {"readOnlyRootFilesystem": False}
    return {
        "name": f"ray-{role}",
        "image": nemo.image,
        "imagePullPolicy": env.workflows.image_pull_policy,
        "env": [{"name": name, "value": value} for name, value in sorted(_environment(env).items())],
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        "securityContext": security,
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/ctp", "readOnly": True},
            {"name": "secrets", "mountPath": resources.SECRETS, "readOnly": True},
            {"name": "data", "mountPath": resources.DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "shm", "mountPath": SHM},
        ],
    }


def _environment(env: Environment) -> dict[str, str]:
    """The same on every pod: NeMo-RL copies the driver's environment over the workers'."""
    return {
        # The base model is a folder on the volume: nothing is fetched.
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HOME": "/tmp/huggingface",  # noqa: S108
        # Ray would kill workers at 95 % of the node's memory, of which /dev/shm is a part.
        "RAY_memory_monitor_refresh_ms": "0",
        **env.workflows.nemo.network,
    }


def _volumes(env: Environment, account: str, node: RayNode) -> list[dict[str, Any]]:
    return [
        {"name": "config", "configMap": {"name": workflow_param("config")}},
        {"name": "secrets", "secret": {"secretName": resources.service_account(account), "optional": True, "defaultMode": 0o440}},
        {"name": "data", "persistentVolumeClaim": {"claimName": env.workflows.claim}},
        {"name": "tmp", "emptyDir": {"sizeLimit": node.scratch}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": node.shm}},
    ]


def _plain(model: m.PodSecurityContext | m.SecurityContext) -> dict[str, Any]:
    """A Hera model as Kubernetes writes it."""
    plain: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain
