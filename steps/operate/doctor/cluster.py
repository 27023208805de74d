"""Checks of a cluster: its version, the CRDs that our manifests use, and whether they are served."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steps.cluster.informer import api_client
from steps.cluster.kube_errors import kube_errors
from steps.contract.errors import ConfigError
from steps.operate.doctor.finding import Skip

# What kgateway, Gateway API and KServe of versions.env support together.
OLDEST, NEWEST = (1, 32), (1, 36)
_REMEDY = "log in, or ask for read access"

# Component -> API group, served version, kinds; what our manifests of this component are written in.
NEEDED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Argo Workflows": ("argoproj.io", "v1alpha1", ("Workflow", "WorkflowTemplate", "CronWorkflow")),
    "Argo Rollouts": ("argoproj.io", "v1alpha1", ("Rollout", "AnalysisTemplate", "AnalysisRun")),
    "Gateway API": ("gateway.networking.k8s.io", "v1", ("Gateway", "HTTPRoute")),
}
CLOUD: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Argo CD": ("argoproj.io", "v1alpha1", ("Application", "AppProject")),
    "kgateway": ("gateway.kgateway.dev", "v1alpha1", ("TrafficPolicy",)),
    "KServe": ("serving.kserve.io", "v1beta1", ("InferenceService",)),
    "KEDA": ("keda.sh", "v1alpha1", ("ScaledObject",)),
    "Karpenter": ("karpenter.sh", "v1", ("NodePool",)),
    "Karpenter for AWS": ("karpenter.k8s.aws", "v1", ("EC2NodeClass",)),
    "Prometheus operator": ("monitoring.coreos.com", "v1", ("PodMonitor", "PrometheusRule")),
    "External Secrets": ("external-secrets.io", "v1", ("ExternalSecret",)),
}
TRAINING: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "KubeRay": ("ray.io", "v1", ("RayJob",)),
    "Kueue": ("kueue.x-k8s.io", "v1beta2", ("ClusterQueue", "LocalQueue")),
}


def needed(environment: str) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """The components that an environment's manifests are written for."""
    return {**NEEDED, **({} if environment == "kind" else {**CLOUD, **TRAINING})}


def connect() -> Any:
    """A client of the cluster that KUBECONFIG names, or that this pod runs in.

    Raises:
        Skip: no cluster is named.
        ConfigError: the named one cannot be read.
    """
    if not (os.environ.get("KUBECONFIG") or os.environ.get("KUBERNETES_SERVICE_HOST") or (Path.home() / ".kube/config").is_file()):
        raise Skip("no cluster is named: set KUBECONFIG to look at one")
    return api_client()


def version(api: Any) -> str:
    """The server's version is one that everything here supports."""
    from kubernetes import client

    with kube_errors("/version", _REMEDY):
        answer = client.VersionApi(api).get_code(_request_timeout=10)
    numbers = tuple(int(re.sub(r"\D", "", str(part)) or 0) for part in (answer.major, answer.minor))
    text = ".".join(map(str, numbers))
    if not OLDEST <= numbers <= NEWEST:
        oldest, newest = (".".join(map(str, bound)) for bound in (OLDEST, NEWEST))
        raise ConfigError(f"Kubernetes {text}: versions {oldest} to {newest} are supported")
    return f"Kubernetes {text}"


def component(api: Any, group: str, served: str, kinds: tuple[str, ...]) -> str:
    """The API server serves these kinds in this version."""
    from kubernetes import client

    with kube_errors(f"/apis/{group}/{served}", _REMEDY):
        try:
            listed = client.CustomObjectsApi(api).get_api_resources(group, served, _request_timeout=10)
        except client.ApiException as error:
            if error.status != 404:
                raise
            listed = None
    served_kinds = {resource.kind for resource in (listed.resources if listed else []) if "/" not in resource.name}
    missing = [kind for kind in kinds if kind not in served_kinds]
    if missing:
        raise ConfigError(f"{group}/{served} does not serve {', '.join(missing)}: install it in the version of versions.env")
    return f"{group}/{served}: {', '.join(kinds)}"
