"""Objects of Argo Rollouts and Argo Workflows through the Kubernetes API."""

from __future__ import annotations

from typing import Any

from steps.cluster.informer import api_client
from steps.cluster.kube_errors import kube_errors
from steps.contract.errors import DataError

_GROUP, _VERSION = "argoproj.io", "v1alpha1"
_TIMEOUT_S = 30
POD_HASH = "rollouts-pod-template-hash"


def rollout(namespace: str, name: str) -> dict[str, Any] | None:
    """A Rollout as the API has it; None where there is none yet.

    Raises:
        ConfigError: no Kubernetes API is configured.
        AccessError: the API refuses the account.
        TransientError: the API does not answer.
    """
    return _read("rollouts", namespace, name)


def workflow(namespace: str, name: str) -> dict[str, Any]:
    """A Workflow as the API has it.

    Raises:
        DataError: there is no such Workflow.
        AccessError, ConfigError, TransientError: as for `rollout`.
    """
    document = _read("workflows", namespace, name)
    if document is None:
        raise DataError(f"workflow {namespace}/{name}: there is none: check --namespace and --workflow")
    return document


def _read(plural: str, namespace: str, name: str) -> dict[str, Any] | None:
    """One object; None where there is none."""
    from kubernetes import client

    with kube_errors(f"{plural.removesuffix('s')} {namespace}/{name}", f"let this account get {plural}"), api_client() as api:
        try:
            document: Any = client.CustomObjectsApi(api).get_namespaced_custom_object(
                _GROUP, _VERSION, namespace, plural, name, _request_timeout=_TIMEOUT_S
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return dict(document)


def analysis_runs(namespace: str, rollout_name: str, pod_hash: str) -> list[dict[str, Any]]:
    """The analyses of one version of a Rollout, in no order.

    Raises:
        AccessError, ConfigError, TransientError: as for `rollout`.
    """
    from kubernetes import client

    with kube_errors(f"analysisruns of {namespace}/{rollout_name}", "let this account list analysisruns"), api_client() as api:
        listing: Any = client.CustomObjectsApi(api).list_namespaced_custom_object(
            _GROUP, _VERSION, namespace, "analysisruns", label_selector=f"{POD_HASH}={pod_hash}", _request_timeout=_TIMEOUT_S
        )
    return [dict(item) for item in listing["items"] if _owned(item, rollout_name)]


def abort_rollout(namespace: str, name: str) -> None:
    """Send all traffic back to the stable version now, as `kubectl argo rollouts abort` does.

    Raises:
        AccessError, ConfigError, TransientError: as for `rollout`.
    """
    from kubernetes import client

    with kube_errors(f"rollout {namespace}/{name}", "let this account patch rollouts/status"), api_client() as api:
        client.CustomObjectsApi(api).patch_namespaced_custom_object_status(
            _GROUP, _VERSION, namespace, "rollouts", name, {"status": {"abort": True}}, _request_timeout=_TIMEOUT_S
        )


def _owned(item: dict[str, Any], rollout_name: str) -> bool:
    owners = (item.get("metadata") or {}).get("ownerReferences") or []
    return any(owner.get("kind") == "Rollout" and owner.get("name") == rollout_name for owner in owners)
