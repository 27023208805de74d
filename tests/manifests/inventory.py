"""What an environment offers: services and their ports, pods and their labels, configuration and its keys, by name.

Objects that controllers make, and those of third-party charts, stand in explicit lists with who makes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from .rendered import CLUSTER_SCOPED, Item, pod_specs

ANYTHING = object()


class Pod(NamedTuple):
    """A pod that an object makes."""

    owner: str
    namespace: str
    labels: dict[str, str]
    # Port number -> name.
    ports: dict[int, str]


# (namespace, service) -> ports, the Application of charts/root-app that brings it, and where that is written.
THIRD_PARTY_SERVICES: dict[tuple[str, str], tuple[set[int], str, str]] = {
    ("monitoring", "prometheus-operated"): ({9090}, "kube-prometheus-stack", "prometheus-operator makes it for every Prometheus"),
    ("monitoring", "kube-prometheus-stack-prometheus"): ({9090, 8080}, "kube-prometheus-stack", "templates/prometheus/service.yaml"),
    ("monitoring", "kube-prometheus-stack-alertmanager"): ({9093, 8080}, "kube-prometheus-stack", "templates/alertmanager/service.yaml"),
    ("monitoring", "kube-prometheus-stack-grafana"): ({80}, "kube-prometheus-stack", "subchart grafana, templates/service.yaml"),
    ("monitoring", "prometheus"): ({9090}, "prometheus", "third-party/prometheus.yaml: server.fullnameOverride, servicePort"),
    ("langfuse", "langfuse-web"): ({3000}, "langfuse", "templates/web/service.yaml"),
    ("argo", "argo-workflows-server"): ({2746}, "argo-workflows", "templates/server/server-service.yaml"),
}
# Pods that are not a template of ours: the label that tells them, in any namespace, and their ports (None: any).
THIRD_PARTY_PODS: tuple[tuple[str, dict[int, str] | None, str], ...] = (
    ("workflows.argoproj.io/workflow", {9090: "metrics"}, "Argo Workflows labels every pod of a workflow"),
    ("gateway.networking.k8s.io/gateway-name", None, "kgateway labels the proxies of a Gateway; metrics on 9091"),
    ("ray.io/node-type", None, "KubeRay labels every pod of a RayCluster"),
    ("ray.io/cluster", None, "KubeRay labels every pod of a RayCluster"),
)
# Namespace and labels of pods of third-party charts that policies name.
THIRD_PARTY_LABELS: dict[tuple[str, str], set[str]] = {
    ("kube-system", "k8s-app"): {"kube-dns"},
    ("monitoring", "app.kubernetes.io/name"): {"prometheus", "grafana", "alertmanager"},
    ("langfuse", "app"): {"web", "worker"},
    ("keda", "app"): {"keda-operator"},
    ("argo-rollouts", "app.kubernetes.io/name"): {"argo-rollouts"},
    # Its StatefulSet always has the port `metrics` (templates/argocd-application-controller/statefulset.yaml).
    ("argocd", "app.kubernetes.io/name"): {"argocd-application-controller"},
}
BUILT_IN_NAMESPACES = {"default", "kube-system", "kube-public", "kube-node-lease"}
BUILT_IN_PRIORITIES = {"system-cluster-critical", "system-node-critical"}
BUILT_IN_CLUSTER_ROLES = {"admin", "edit", "view", "system:auth-delegator"}


@dataclass
class Inventory:
    """Everything that can be named, of one environment."""

    items: tuple[Item, ...]
    services: dict[tuple[str, str], dict[int, str]] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    config_maps: dict[tuple[str, str], Any] = field(default_factory=dict)
    secrets: dict[tuple[str, str], Any] = field(default_factory=dict)
    named: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    # Made by a controller: (kind, namespace, name).
    derived: set[tuple[str, str, str]] = field(default_factory=set)

    def has(self, kind: str, namespace: str, name: str) -> bool:
        """An object of this kind is rendered, or a controller makes it."""
        where = "" if kind in CLUSTER_SCOPED else namespace
        return (where, name) in self.named[kind] or (kind, where, name) in self.derived

    def selected(self, namespace: str | None, selector: dict[str, Any]) -> list[Pod]:
        """Pods that a label selector takes; a namespace of None is every one."""
        return [pod for pod in self.pods if namespace in (None, pod.namespace) and matches(selector, pod.labels)]


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """A label selector on labels, as the API server reads it."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or []:
        there, value = rule["key"] in labels, labels.get(rule["key"])
        kept = {
            "Exists": there,
            "DoesNotExist": not there,
            "In": value in rule.get("values", []),
            "NotIn": value not in rule.get("values", []),
        }[rule["operator"]]
        if not kept:
            return False
    return True


def labels_of(selector: dict[str, Any]) -> set[str]:
    """Keys that a selector needs."""
    needed = {rule["key"] for rule in selector.get("matchExpressions") or [] if rule["operator"] in ("In", "Exists")}
    return needed | set(selector.get("matchLabels") or {})


def ports_of(spec: dict[str, Any]) -> dict[int, str]:
    """Container ports of a pod."""
    containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
    if isinstance(spec.get("model"), dict):
        containers.append(spec["model"])
    return {port["containerPort"]: port.get("name", "") for container in containers for port in container.get("ports", []) or []}


def _keys_of_external(manifest: dict[str, Any]) -> Any:
    spec = manifest["spec"]
    if spec.get("dataFrom"):
        return ANYTHING
    template = (spec.get("target") or {}).get("template", {}).get("data")
    return set(template) if template else {entry["secretKey"] for entry in spec.get("data", [])}


def _add(found: Inventory, item: Item) -> None:
    manifest, at = item.manifest, (item.namespace, item.name)
    found.named[item.kind].add(at)
    if item.kind == "Service":
        found.services[at] = {port["port"]: port.get("name", "") for port in manifest["spec"].get("ports", [])}
    elif item.kind == "ConfigMap":
        found.config_maps[at] = set(manifest.get("data", {})) | set(manifest.get("binaryData", {}))
    elif item.kind == "Secret":
        found.secrets[at] = set(manifest.get("data", {})) | set(manifest.get("stringData", {}))
    elif item.kind == "ExternalSecret":
        name = (manifest["spec"].get("target") or {}).get("name") or item.name
        found.secrets[item.namespace, name] = _keys_of_external(manifest)
    elif item.kind == "Namespace":
        found.namespaces[item.name] = {"kubernetes.io/metadata.name": item.name, **manifest["metadata"].get("labels", {})}
    elif item.kind == "Application":
        space = manifest["spec"]["destination"]["namespace"]
        if "CreateNamespace=true" in manifest["spec"]["syncPolicy"]["syncOptions"]:
            found.namespaces.setdefault(space, {"kubernetes.io/metadata.name": space})
    elif item.kind == "InferenceService":
        # KServe in Standard mode; pkg/constants/constants.go and reconcilers/service at v0.20.0.
        made = f"{item.name}-predictor"
        found.services[item.namespace, made] = {80: made}
        found.derived |= {(kind, item.namespace, made) for kind in ("Deployment", "Service")}
    elif item.kind == "Gateway":
        # kgateway makes a Deployment and a Service of the Gateway's name in its namespace.
        found.services[at] = {listener["port"]: listener["name"] for listener in manifest["spec"]["listeners"]}
        found.derived |= {(kind, *at) for kind in ("Deployment", "Service", "ServiceAccount")}
    for owner, spec, labels in all_pods(item):
        found.pods.append(Pod(owner, item.namespace, labels, ports_of(spec)))


def inventory(items: Iterable[Item]) -> Inventory:
    """Take stock."""
    listed = tuple(items)
    found = Inventory(listed, namespaces={name: {"kubernetes.io/metadata.name": name} for name in sorted(BUILT_IN_NAMESPACES)})
    for item in listed:
        _add(found, item)
    for (namespace, name), (ports, application, _) in THIRD_PARTY_SERVICES.items():
        if found.has("Application", "argocd", application):
            found.services.setdefault((namespace, name), dict.fromkeys(sorted(ports), ""))
    return found


def all_pods(item: Item) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Pods of an object, of a workflow's templates too: who makes it, its spec as far as it is written, its labels."""
    for place, spec, labels in pod_specs(item):
        yield f"{item} {place}", spec, labels
    for inner in inner_manifests(item):
        for place, spec, labels in pod_specs(Item(item.application, item.file, inner)):
            yield f"{item} manifest of {inner['kind']} {place}", spec, labels
    spec = item.manifest.get("spec") or {}
    for template in spec.get("templates", []) if item.kind == "WorkflowTemplate" else []:
        main = template.get("container") or template.get("script")
        if main:
            common = (spec.get("podMetadata") or {}).get("labels", {})
            labels = {**common, **(template.get("metadata") or {}).get("labels", {}), "workflows.argoproj.io/workflow": item.name}
            defaults = {key: spec[key] for key in ("securityContext", "serviceAccountName", "automountServiceAccountToken") if key in spec}
            pod = {**defaults, **template, "containers": [main, *template.get("sidecars", [])]}
            yield f"{item} template {template['name']}", pod, labels


def inner_manifests(item: Item) -> list[dict[str, Any]]:
    """Objects that a workflow's resource templates make, as far as they are YAML without parameters in keys."""
    found = []
    for template in (item.manifest.get("spec") or {}).get("templates", []) if item.kind == "WorkflowTemplate" else []:
        text = (template.get("resource") or {}).get("manifest")
        if text:
            # A parameter alone is no YAML mapping; in quotes or in words it is text.
            parsed = yaml.load(text.replace("{{", "<<").replace("}}", ">>"), Loader=yaml.CSafeLoader)
            if isinstance(parsed, dict):
                found.append(parsed)
    return found
