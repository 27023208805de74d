"""Releases on a real cluster: this test stands in for Argo CD (it applies what Git says) and for the people at the buttons."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kubernetes.client.exceptions import ApiException

from steps.release.incident import find_breach

from .argo_cd import keeps_client_side, out_of_sync
from .cluster import ARGO, Cluster, last_json, pod_manifest
from .prometheus import ask, wanted_series
from .rollout import Look, look, story
from .serving import (
    Document,
    artifact_of,
    gateway_default,
    ignore_rules,
    policy_for_users,
    register_arguments,
    release_arguments,
    serving_documents,
    serving_values,
)

GATEWAY_API = "gateway.networking.k8s.io/v1"
VISITORS = "e2e-visitors"


class Delivery:
    """Serving in one cluster.

    Args:
        cluster: with the kind environment, bootstrapped.
        prometheus: URL that AnalysisTemplates are given.
    """

    def __init__(self, cluster: Cluster, prometheus: str) -> None:
        self.cluster, self.prometheus = cluster, prometheus
        self.rules = ignore_rules()
        self.faults: dict[int, str] = {}
        serving = serving_values({})["serving"]
        self.namespace, self.name = serving["namespace"], serving.get("name", "agent-model")

    # ---- Git and Argo CD

    def released(self) -> Document:
        """Pin and agent manifest, out of the pipeline's Git repository."""
        found: Document = self.cluster.ctp_json("e2e-status", "status")
        return found["released"] | {"champion": found["champion"]}

    def sync(self, released: Document | None = None) -> list[str]:
        """Apply what Git says where the cluster says otherwise; returns what was applied and why."""
        now = released or self.released()
        fault = self.faults.get(int(now["model"]["version"]), "")
        applied = []
        for document in serving_documents(serving_values(now, self.prometheus), self.cluster.image, fault):
            if why := out_of_sync(document, self.live(document), self.rules):
                self._apply(document)
                applied.append(f"{document['kind']}/{document['metadata']['name']}: {why}")
        return applied

    def live(self, document: Document) -> Document | None:
        """The object as the cluster has it."""
        resource = self.cluster.kind(document["apiVersion"], document["kind"])
        try:
            found: Document = resource.get(
                name=document["metadata"]["name"], namespace=document["metadata"].get("namespace", self.namespace)
            ).to_dict()
        except ApiException as error:
            if error.status != 404:
                raise
            return None
        return found

    def _apply(self, document: Document) -> None:
        if keeps_client_side(document) and self.live(document) is not None:
            resource = self.cluster.kind(document["apiVersion"], document["kind"])
            resource.patch(body=document, namespace=document["metadata"]["namespace"], content_type="application/merge-patch+json")
        else:
            self.cluster.apply(document)

    def release(self, name: str, fault: str = "") -> int:
        """Register the served files as a new version, pin it, let Argo CD see it; returns the version."""
        artifact = artifact_of(self.released())
        model = str(self._step(f"e2e-register-{name}", register_arguments(artifact, name))["model"])
        version = int(model.rpartition("@")[2])
        if fault:
            self.faults[version] = fault
        self._step(f"e2e-release-{name}", release_arguments(model, artifact))
        self.sync()
        return version

    def _step(self, pod: str, arguments: list[str]) -> Any:
        return last_json(self.cluster.run_pod(pod, [*arguments, "--config=/etc/ctp/config.yaml", "--workdir=/data/ctp"]))

    def reconcile(self) -> Document:
        """Run `release-reconcile`, as the notification of the Rollout does; what Git says afterwards, applied."""
        self.cluster.wait_ended(self.cluster.submit("release-reconcile"), 300)
        now = self.released()
        self.sync(now)
        return now

    # ---- looking and pressing buttons

    def look(self) -> Look:
        """The release at this moment."""
        rollout = self.cluster.kind(ARGO, "Rollout").get(name=self.name, namespace=self.namespace).to_dict()
        return look(rollout, self.cluster.kind(GATEWAY_API, "HTTPRoute").get(name=self.name, namespace=self.namespace).to_dict())

    def until(self, done: Callable[[Look], bool], seconds: float, what: str) -> Look:
        """Look again and again.

        Raises:
            TimeoutError: with the last look and what the analyses said.
        """
        end = time.monotonic() + seconds
        while not done(found := self.look()):
            if time.monotonic() > end:
                raise TimeoutError(f"not after {seconds:.0f} s: {what}\n{story(found, self.analysis_runs())}")
            time.sleep(1.0)
        return found

    def patch_status(self, patch: Document) -> None:
        """What `kubectl argo rollouts abort` and `retry` do."""
        path = f"/apis/{ARGO}/namespaces/{self.namespace}/rollouts/{self.name}/status"
        self.cluster.dynamic.request("patch", path, body=patch, content_type="application/merge-patch+json")

    def analysis_runs(self) -> list[Document]:
        """Every AnalysisRun that is kept."""
        found: list[Document] = self.cluster.kind(ARGO, "AnalysisRun").get(namespace=self.namespace).to_dict()["items"]
        return found

    def seconds_since_breach(self, newest: str) -> float | None:
        """Since an analysis of these pods first saw what it failed for; None: none failed."""
        runs = [run for run in self.analysis_runs() if (run["metadata"].get("labels") or {}).get("rollouts-pod-template-hash") == newest]
        breach = find_breach(runs)
        return (datetime.now(UTC) - breach[0]).total_seconds() if breach else None

    # ---- traffic and numbers

    def start_visitors(self) -> None:
        """Users that ask through the gateway until the test ends."""
        self.cluster.apply(policy_for_users(serving_values({})))
        url = f"http://{gateway_default('name')}:{gateway_default('port')}"
        words = ["traffic", f"--gateway={url}", "--to=/data/raw", f"--name=visitors-{time.time_ns()}", "--seconds=14400"]
        words += ["--users=12", "--pause-s=0.4", "--config=/etc/ctp/config.yaml", "--workdir=/data/ctp"]
        self.cluster.core.create_namespaced_pod(self.namespace, pod_manifest(VISITORS, words, self.cluster.image, self.cluster.claim))

    def stop_visitors(self) -> None:
        """End them."""
        self.cluster.core.delete_namespaced_pod(VISITORS, self.namespace, grace_period_seconds=0)

    def query(self, expression: str) -> list[float]:
        """Ask the cluster's Prometheus."""
        return ask(self.cluster.api, self.prometheus, expression)

    def wait_scraped(self, seconds: float = 180) -> None:
        """Wait until Prometheus knows everything that the analyses ask for.

        Raises:
            RuntimeError: it does not, with what is missing.
        """
        missing = wanted_series(self.namespace, self.name, 8000)
        end = time.monotonic() + seconds
        while missing := {what: expression for what, expression in missing.items() if not self.query(expression)}:
            if time.monotonic() > end:
                raise RuntimeError(
                    f"Prometheus at {self.prometheus} does not know {'; '.join(missing)}: "
                    "it must scrape pods by their prometheus.io annotations, every 15 s or more often (docs/e2e.md)"
                )
            time.sleep(5.0)

    def failed_requests(self, seconds: float) -> float:
        """Requests that the gateway answered 5xx within the last seconds, whoever served."""
        clusters = f'envoy_cluster_name=~"kube_{self.namespace}_{self.name}-(stable|canary)_.*"'
        found = self.query(f'sum(increase(envoy_cluster_upstream_rq_xx{{{clusters},envoy_response_code_class="5"}}[{int(seconds)}s]))')
        return found[0] if found else 0.0
