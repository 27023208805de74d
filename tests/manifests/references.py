"""Names that point nowhere: everything that one object calls another by, checked against what is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .inventory import ANYTHING, BUILT_IN_CLUSTER_ROLES, BUILT_IN_PRIORITIES, THIRD_PARTY_LABELS, Inventory, inner_manifests, matches
from .rendered import Item, strings, walk

Check = Callable[[Inventory], Iterator[str]]
# http://name.namespace.svc.cluster.local:port, with or without scheme, suffix and port.
URL = re.compile(r"(?P<scheme>https?|grpc|redis|postgresql)://(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>\d+))?")
ADDRESS = re.compile(r"(?<![\w./:@-])(?P<host>[a-z0-9-]+\.[a-z0-9-]+(?:\.svc(?:\.cluster\.local)?)?):(?P<port>\d+)\b")
CLUSTER = re.compile(r"\bkube_(?P<namespace>[a-z0-9-]+)_(?P<service>[a-z0-9-]+)_(?P<port>\d+)\b")
# What a host outside ends in; any other last label of two is a namespace.
PUBLIC = {"ai", "com", "dev", "io", "net", "org"}
DEFAULT_PORTS = {"http": 80, "https": 443}


def _mappings(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, found in value.items():
            yield from _mappings(found, f"{path}.{key}")
    elif isinstance(value, list):
        for number, found in enumerate(value):
            yield from _mappings(found, f"{path}[{number}]")


def _fixed(name: Any) -> bool:
    """Not a parameter of a workflow or an analysis."""
    return isinstance(name, str) and bool(name) and "{{" not in name and "<<" not in name


def _sources(inventory: Inventory) -> Iterator[tuple[Item, str, dict[str, Any]]]:
    for item in inventory.items:
        if item.kind in ("Application", "AppProject"):
            continue
        for path, found in _mappings(item.manifest):
            yield item, path, found
        for inner in inner_manifests(item):
            for path, found in _mappings(inner):
                yield item, f" manifest of {inner.get('kind')}{path}", found


def configuration(inventory: Inventory) -> Iterator[str]:
    """ConfigMaps, Secrets and their keys; claims; accounts; priorities."""
    for item, path, found in _sources(inventory):
        where = f"{item}{path}"
        for key, kind, offered in (
            ("configMap", "ConfigMap", inventory.config_maps),
            ("configMapRef", "ConfigMap", inventory.config_maps),
            ("configMapKeyRef", "ConfigMap", inventory.config_maps),
            ("secret", "Secret", inventory.secrets),
            ("secretRef", "Secret", inventory.secrets),
            ("secretKeyRef", "Secret", inventory.secrets),
        ):
            reference = found.get(key)
            if isinstance(reference, dict) and not reference.get("optional"):
                name = reference.get("name") or reference.get("secretName")
                if _fixed(name):
                    yield from _keys(where, kind, offered.get((item.namespace, name)), name, reference)
        claim = walk(found, "persistentVolumeClaim.claimName")
        if _fixed(claim) and not inventory.has("PersistentVolumeClaim", item.namespace, claim):
            yield f"{where}: no PersistentVolumeClaim {claim}"
        account = found.get("serviceAccountName")
        if _fixed(account) and not inventory.has("ServiceAccount", item.namespace, account):
            yield f"{where}: no ServiceAccount {account} in {item.namespace}"
        store = found.get("secretStoreRef")
        if isinstance(store, dict) and not inventory.has(store.get("kind", "SecretStore"), item.namespace, store["name"]):
            yield f"{where}: no {store.get('kind', 'SecretStore')} {store['name']}"
        priority = found.get("priorityClassName") or found.get("podPriorityClassName")
        if _fixed(priority) and priority not in BUILT_IN_PRIORITIES and not inventory.has("PriorityClass", "", priority):
            yield f"{where}: no PriorityClass {priority}"


def _keys(where: str, kind: str, keys: Any, name: str, reference: dict[str, Any]) -> Iterator[str]:
    if keys is None:
        yield f"{where}: no {kind} {name}"
        return
    wanted = [entry["key"] for entry in reference.get("items", [])] + [reference["key"] for _ in [0] if "key" in reference]
    for key in wanted:
        if keys is not ANYTHING and key not in keys:
            yield f"{where}: {kind} {name} has no key {key}"


def permissions(inventory: Inventory) -> Iterator[str]:
    """Roles of bindings, and the accounts that they are given to."""
    for item in inventory.items:
        if item.kind not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        role = item.manifest["roleRef"]
        if not inventory.has(role["kind"], item.namespace, role["name"]) and role["name"] not in BUILT_IN_CLUSTER_ROLES:
            yield f"{item}: no {role['kind']} {role['name']}"
        for subject in item.manifest.get("subjects", []):
            space = subject.get("namespace", item.namespace)
            if subject["kind"] == "ServiceAccount" and not inventory.has("ServiceAccount", space, subject["name"]):
                yield f"{item}: no ServiceAccount {subject['name']} in {space}"


def namespaces(inventory: Inventory) -> Iterator[str]:
    """Every object is in a namespace that something makes."""
    for item in inventory.items:
        if item.namespace and item.namespace not in inventory.namespaces and item.application != "root-app":
            yield f"{item}: nothing makes namespace {item.namespace}"


def workflows(inventory: Inventory) -> Iterator[str]:
    """Templates of workflows and of analyses, with the arguments that they need."""
    templates = {(item.namespace, item.name): item.manifest for item in inventory.items if item.kind == "WorkflowTemplate"}
    for item, path, found in _sources(inventory):
        for key in ("workflowTemplateRef", "templateRef"):
            reference = found.get(key)
            if isinstance(reference, dict) and _fixed(reference.get("name")):
                target = templates.get((item.namespace, reference["name"]))
                if target is None:
                    yield f"{item}{path}: no WorkflowTemplate {reference['name']}"
                elif "template" in reference and reference["template"] not in {entry["name"] for entry in target["spec"]["templates"]}:
                    yield f"{item}{path}: WorkflowTemplate {reference['name']} has no template {reference['template']}"
    analyses = {(item.namespace, item.name): item.manifest["spec"] for item in inventory.items if item.kind == "AnalysisTemplate"}
    for item, path, found in _sources(inventory):
        if item.kind == "Rollout" and isinstance(found.get("templates"), list) and (path.endswith(".analysis") or ".analysis" in path):
            given = {argument["name"] for argument in found.get("args", [])}
            for reference in found["templates"]:
                spec = analyses.get((item.namespace, reference.get("templateName", "")))
                if spec is None:
                    yield f"{item}{path}: no AnalysisTemplate {reference.get('templateName')}"
                    continue
                needed = {argument["name"] for argument in spec.get("args", []) if "value" not in argument and "valueFrom" not in argument}
                if needed - given:
                    yield f"{item}{path}: AnalysisTemplate {reference['templateName']} needs {sorted(needed - given)}"


def queues(inventory: Inventory) -> Iterator[str]:
    """Kueue's queues and flavours, Karpenter's node classes, labels that pods look for on nodes."""
    offered: set[str] = set()
    for item in inventory.items:
        if item.kind == "NodePool":
            offered |= set(walk(item.manifest, "spec.template.metadata.labels") or {})
    for item, path, found in _sources(inventory):
        queue = (found.get("labels") or {}).get("kueue.x-k8s.io/queue-name") if isinstance(found.get("labels"), dict) else None
        if _fixed(queue) and not inventory.has("LocalQueue", item.namespace, queue):
            yield f"{item}{path}: no LocalQueue {queue} in {item.namespace}"
        reference = found.get("nodeClassRef")
        if isinstance(reference, dict) and not inventory.has(reference["kind"], "", reference["name"]):
            yield f"{item}{path}: no {reference['kind']} {reference['name']}"
        for key in found.get("nodeSelector") or {} if isinstance(found.get("nodeSelector"), dict) else {}:
            known = key.partition("/")[0].endswith(("kubernetes.io", "karpenter.sh", "karpenter.k8s.aws"))
            if not known and key not in offered:
                yield f"{item}{path}: no NodePool gives its nodes the label {key}"
    for item in inventory.items:
        if item.kind == "LocalQueue" and not inventory.has("ClusterQueue", "", item.manifest["spec"]["clusterQueue"]):
            yield f"{item}: no ClusterQueue {item.manifest['spec']['clusterQueue']}"
        if item.kind == "ClusterQueue":
            for group in item.manifest["spec"].get("resourceGroups", []):
                for flavor in group["flavors"]:
                    if not inventory.has("ResourceFlavor", "", flavor["name"]):
                        yield f"{item}: no ResourceFlavor {flavor['name']}"


def scaling(inventory: Inventory) -> Iterator[str]:
    """What is scaled, and what may be evicted."""
    for item in inventory.items:
        if item.kind in ("ScaledObject", "HorizontalPodAutoscaler"):
            target = item.manifest["spec"]["scaleTargetRef"]
            if not inventory.has(target.get("kind", "Deployment"), item.namespace, target["name"]):
                yield f"{item}: no {target.get('kind', 'Deployment')} {target['name']}"
            for trigger in item.manifest["spec"].get("triggers", []):
                reference = trigger.get("authenticationRef")
                if reference and not inventory.has(reference.get("kind", "TriggerAuthentication"), item.namespace, reference["name"]):
                    yield f"{item}: no {reference.get('kind', 'TriggerAuthentication')} {reference['name']}"
        if item.kind == "PodDisruptionBudget" and not inventory.selected(item.namespace, item.manifest["spec"]["selector"]):
            yield f"{item}: protects no pod"


def addresses(inventory: Inventory) -> Iterator[str]:
    """Every address in any text: `http://service.namespace:port`, `service.namespace:port`, and Envoy's name of a cluster."""
    for item in inventory.items:
        if item.kind in ("Application", "AppProject"):
            continue
        for path, text in strings(item.manifest):
            for found in URL.finditer(text):
                port = int(found["port"]) if found["port"] else DEFAULT_PORTS.get(found["scheme"], 0)
                yield from _address(inventory, f"{item}{path}", item.namespace, found["host"], port)
            for found in ADDRESS.finditer(text):
                yield from _address(inventory, f"{item}{path}", item.namespace, found["host"], int(found["port"]), bare=False)
            for found in CLUSTER.finditer(text):
                if int(found["port"]) not in inventory.services.get((found["namespace"], found["service"]), {}):
                    yield f"{item}{path}: Envoy has no cluster {found[0]}: no such Service and port"


def _address(inventory: Inventory, where: str, namespace: str, host: str, port: int, *, bare: bool = True) -> Iterator[str]:
    if host in ("localhost", "0.0.0.0") or re.fullmatch(r"[0-9.]+", host):
        return
    name, _, rest = host.partition(".")
    space = rest.partition(".")[0]
    inside = rest in ("svc", space) or rest.startswith(f"{space}.svc")
    if not rest and bare:
        space = namespace
    elif not inside or space not in inventory.namespaces:
        if inside and rest not in PUBLIC:
            yield f"{where}: nothing makes namespace {space} of {host}"
        return
    ports = inventory.services.get((space, name))
    if ports is None:
        yield f"{where}: no Service {name} in {space}"
    elif port not in ports:
        yield f"{where}: Service {name} in {space} has no port {port}, but {sorted(ports)}"


def selectors(inventory: Inventory) -> Iterator[str]:
    """Services take a pod that has the port; what is scraped exists and has the port; rollouts have their services."""
    from .inventory import THIRD_PARTY_PODS, labels_of

    third_party = {label for label, _, _ in THIRD_PARTY_PODS}
    for item in inventory.items:
        spec = item.manifest.get("spec") or {}
        if item.kind == "Service" and spec.get("selector"):
            pods = inventory.selected(item.namespace, {"matchLabels": spec["selector"]})
            if not pods and not set(spec["selector"]) & third_party:
                yield f"{item}: selects no pod"
            for port in spec.get("ports", []):
                target = port.get("targetPort", port["port"])
                if pods and not any(target in pod.ports or target in pod.ports.values() for pod in pods):
                    yield f"{item}: no pod of it has port {target}"
        if item.kind in ("PodMonitor", "ServiceMonitor"):
            yield from _monitor(inventory, item, third_party & labels_of(spec["selector"]))


def _monitor(inventory: Inventory, item: Item, third_party: set[str]) -> Iterator[str]:
    spec = item.manifest["spec"]
    spaces = (spec.get("namespaceSelector") or {}).get("matchNames") or [item.namespace]
    if item.kind == "ServiceMonitor":
        services = [
            found.manifest
            for found in inventory.items
            if found.kind == "Service"
            and found.namespace in spaces
            and matches(spec["selector"], found.manifest["metadata"].get("labels", {}))
        ]
        if not services:
            yield f"{item}: selects no Service"
        for endpoint in spec["endpoints"]:
            if services and not any(endpoint.get("port") == port.get("name") for one in services for port in one["spec"]["ports"]):
                yield f"{item}: no Service of it has a port named {endpoint.get('port')}"
        return
    pods = [pod for space in spaces for pod in inventory.selected(space, spec["selector"])]
    wanted = (spec["selector"].get("matchLabels") or {}).items()
    foreign = wanted and all(value in THIRD_PARTY_LABELS.get((space, key), ()) for space in spaces for key, value in wanted)
    if not pods and not third_party and not foreign:
        yield f"{item}: selects no pod"
    for endpoint in spec.get("podMetricsEndpoints", []):
        wanted = endpoint.get("port") or endpoint.get("portNumber") or endpoint.get("targetPort")
        for pod in pods:
            if wanted not in pod.ports and wanted not in pod.ports.values():
                yield f"{item}: {pod.owner} has no port {wanted}"
