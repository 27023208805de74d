"""Checks of a cluster: its version, the CRDs that our manifests use, and whether they are served."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from steps.cluster.informer import api_client
from steps.contract.errors import AccessError, ConfigError, PipelineError, TransientError
from steps.operate.doctor.finding import Skip

# What kgateway, Gateway API and KServe of versions.env support together.
OLDEST, NEWEST = (1, 32), (1, 36)

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


@contextlib.contextmanager
def _answers(what: str) -> Iterator[None]:
    """Turn the API server's failures into typed errors."""
    from kubernetes.client.exceptions import ApiException
    from kubernetes.dynamic.exceptions import DynamicApiError

    try:
        yield
    except PipelineError:
        raise
    except (ApiException, DynamicApiError) as error:
        if error.status in (401, 403):
            raise AccessError(f"the Kubernetes API refuses {what} (HTTP {error.status}): log in, or ask for read access") from error
        raise TransientError(f"the Kubernetes API answers HTTP {error.status} to {what}") from error
    except Exception as error:
        raise TransientError(f"the Kubernetes API does not answer ({type(error).__name__}): check KUBECONFIG and the network") from error


def version(api: Any) -> str:
    """The server's version is one that everything here supports."""
    from kubernetes import client

    with _answers("/version"):
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

    with _answers(f"/apis/{group}/{served}"):
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
