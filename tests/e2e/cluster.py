"""The cluster that KUBECONFIG names, through the Kubernetes API alone: neither kubectl nor argo is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from .nodes import ENDED, Workflow, decided, nodes, phase, story, submission, waiting
from .rendered import Document

ARGO = "argoproj.io/v1alpha1"
MADE_HERE = "ctp.dev/e2e"
MANAGER = "ctp-e2e"
_POLL_S = 2.0


class Cluster:
    """One namespace of a cluster.

    Args:
        kubeconfig: path of the file.
        namespace: where everything is applied.
        image: the one image of the pipeline, present on the node.
        claim: name of the volume's claim.
    """

    def __init__(self, kubeconfig: str, namespace: str, image: str, claim: str) -> None:
        api = config.new_client_from_config(config_file=kubeconfig)
        self.api = api
        self.dynamic, self.core = DynamicClient(api), client.CoreV1Api(api)
        self.namespace, self.image, self.claim = namespace, image, claim

    def close(self) -> None:
        """Close the connections."""
        self.api.close()

    def kind(self, api_version: str, kind: str) -> Any:
        """The API of a kind of resource."""
        return self.dynamic.resources.get(api_version=api_version, kind=kind)

    def apply(self, document: Document) -> None:
        """Server-side apply, so that the API server checks every field."""
        resource = self.kind(document["apiVersion"], document["kind"])
        namespace = document["metadata"].get("namespace", self.namespace) if resource.namespaced else None
        resource.server_side_apply(
            body=document, name=document["metadata"]["name"], namespace=namespace, field_manager=MANAGER, force_conflicts=True
        )

    def start_clean(self) -> None:
        """Delete what an earlier test left; never what somebody else made.

        Raises:
            RuntimeError: the namespace holds a volume that this test did not make.
        """
        api = self.kind("v1", "Namespace")
        found = _or_none(lambda: api.get(name=self.namespace).to_dict())
        if found is None:
            return
        if (found["metadata"].get("labels") or {}).get(MADE_HERE) != "true":
            claims = self.kind("v1", "PersistentVolumeClaim")
            if _or_none(lambda: claims.get(name=self.claim, namespace=self.namespace)) is not None:
                raise RuntimeError(
                    f"namespace {self.namespace} holds {self.claim}, which tests/e2e did not make: use another cluster or delete it"
                )
            return
        api.delete(name=self.namespace)
        self.until(lambda: _or_none(lambda: api.get(name=self.namespace)) is None, 300, f"namespace {self.namespace} is gone")

    def until(self, done: Callable[[], Any], seconds: float, what: str) -> Any:
        """Ask again and again until something truthy comes back.

        Raises:
            TimeoutError: it did not.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := done():
                return value
            time.sleep(_POLL_S)
        raise TimeoutError(f"not after {seconds:.0f} s: {what}")

    def wait_deployment(self, name: str, seconds: float = 300) -> None:
        """Wait until every replica is available."""
        api = self.kind("apps/v1", "Deployment")

        def available() -> bool:
            found = api.get(name=name, namespace=self.namespace).to_dict()
            return (found.get("status") or {}).get("availableReplicas", 0) >= found["spec"]["replicas"]

        self.until(available, seconds, f"deployment {name} is available")

    def run_pod(self, name: str, arguments: list[str], seconds: float = 900) -> str:
        """Run `ctp …` once with the volume and the configuration; returns what it printed.

        Raises:
            RuntimeError: it failed, with the end of its output.
        """
        self.core.create_namespaced_pod(self.namespace, pod_manifest(name, arguments, self.image, self.claim))

        def ended() -> str:
            return str(self.core.read_namespaced_pod(name, self.namespace).status.phase or "").replace("Pending", "").replace("Running", "")

        try:
            result = self.until(ended, seconds, f"pod {name} ended")
            output: str = self.core.read_namespaced_pod_log(name, self.namespace)
        finally:
            self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)
        if result != "Succeeded":
            raise RuntimeError(f"ctp {' '.join(arguments)}: {result}\n{output[-3000:]}")
        return output

    def ctp_json(self, name: str, *arguments: str, seconds: float = 900) -> Any:
        """The JSON document that a command prints, whatever notices stand around it."""
        return last_json(self.run_pod(name, [*arguments, "--json", "--config=/etc/ctp/config.yaml", "--workdir=/data/ctp"], seconds))

    def submit(self, template: str, **parameters: str) -> str:
        """Start a workflow from a template; returns its name."""
        body = submission(template, {name.replace("_", "-"): value for name, value in parameters.items()}, self.namespace)
        made = self.kind(ARGO, "Workflow").create(body=body, namespace=self.namespace)
        return str(made.metadata.name)

    def workflow(self, name: str) -> Workflow:
        """A workflow as it is now."""
        found: Workflow = self.kind(ARGO, "Workflow").get(name=name, namespace=self.namespace).to_dict()
        return found

    def wait_for(self, name: str, approval: str, seconds: float = 1800) -> Workflow:
        """Wait until a suspend node waits for a person.

        Raises:
            AssertionError: the workflow ended before.
        """

        def there() -> Workflow | None:
            workflow = self.workflow(name)
            assert phase(workflow) not in ENDED, f"ended before {approval}\n{story(workflow)}"
            return workflow if approval in waiting(workflow) else None

        return self._until(name, there, seconds, f"{approval} waits")

    def wait_ended(self, name: str, seconds: float = 1800) -> Workflow:
        """Wait until the workflow, its exit handler included, is over."""

        def over() -> Workflow | None:
            workflow = self.workflow(name)
            return workflow if phase(workflow) in ENDED and (workflow.get("status") or {}).get("finishedAt") else None

        return self._until(name, over, seconds, "the workflow ended")

    def _until(self, name: str, done: Callable[[], Workflow | None], seconds: float, what: str) -> Workflow:
        try:
            found: Workflow = self.until(done, seconds, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{story(self.workflow(name))}") from None
        return found

    def decide(self, name: str, approval: str, **values: str) -> None:
        """Answer a waiting approval as `argo node set` and `argo resume` do, by compare-and-set."""
        api = self.kind(ARGO, "Workflow")
        for _ in range(20):
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            body = decided(self.workflow(name), approval, values, at)
            try:
                api.replace(body=body, name=name, namespace=self.namespace)
                return
            except ApiException as error:
                if error.status != 409:
                    raise
            time.sleep(0.2)
        raise TimeoutError(f"{name}: the controller changed it every time {approval} was to be answered")

    def kill_pod(self, name: str, template: str, seconds: float = 900) -> tuple[str, str]:
        """Delete the first pod that really runs a template, without a grace period; returns its name and uid."""
        selector = f"workflows.argoproj.io/workflow={name}"

        def running() -> tuple[str, str] | None:
            workflow = self.workflow(name)
            assert phase(workflow) not in ENDED, f"ended before {template} ran\n{story(workflow)}"
            wanted = {node["id"] for node in nodes(workflow) if node.get("templateName") == template and node["type"] == "Pod"}
            for pod in self.core.list_namespaced_pod(self.namespace, label_selector=selector).items:
                started = {status.name for status in pod.status.container_statuses or [] if status.state.running}
                if (pod.metadata.annotations or {}).get("workflows.argoproj.io/node-id") in wanted and "main" in started:
                    return str(pod.metadata.name), str(pod.metadata.uid)
            return None

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if pod := running():
                self.core.delete_namespaced_pod(pod[0], self.namespace, grace_period_seconds=0)
                return pod
            time.sleep(0.3)
        raise TimeoutError(f"no pod of {template} ran within {seconds:.0f} s\n{story(self.workflow(name))}")

    def pod_uid(self, name: str) -> str:
        """The uid of a pod; empty: there is none of that name."""
        pod = _or_none(lambda: self.core.read_namespaced_pod(name, self.namespace))
        return str(pod.metadata.uid) if pod else ""


def _or_none(call: Callable[[], Any]) -> Any:
    """The answer, or None when there is no such object."""
    try:
        return call()
    except ApiException as error:
        if error.status != 404:
            raise
        return None


def last_json(output: str) -> Any:
    """The document that ends an output of several lines.

    Raises:
        ValueError: there is none.
    """
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if line == "{":
            end = max(index for index, text in enumerate(lines) if text == "}")
            return json.loads("\n".join(lines[number : end + 1]))
    raise ValueError(f"no JSON document in {output[-500:]!r}")


def pod_manifest(name: str, arguments: list[str], image: str, claim: str) -> Document:
    """A pod that runs `ctp` once, under the rules that every pod of the namespace keeps."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "ctp-e2e"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "ctp",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["ctp"],
                    "args": arguments,
                    "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"cpu": "4", "memory": "4Gi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "data", "mountPath": "/data"},
                        {"name": "config", "mountPath": "/etc/ctp", "readOnly": True},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                }
            ],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": claim}},
                {"name": "config", "configMap": {"name": "ctp-config"}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }
