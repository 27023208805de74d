"""Names of traffic that point nowhere: gateways, routes, policies on them, the Rollout's services, network policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .inventory import THIRD_PARTY_LABELS, THIRD_PARTY_PODS, Inventory, labels_of, matches
from .rendered import Item, walk


def _gateway(inventory: Inventory, namespace: str, name: str) -> dict[str, Any] | None:
    found = [item.manifest for item in inventory.items if item.kind == "Gateway" and (item.namespace, item.name) == (namespace, name)]
    return found[0] if found else None


def parents(inventory: Inventory) -> Iterator[str]:
    """A route hangs on a listener that admits its namespace."""
    for item in inventory.items:
        if item.kind not in ("HTTPRoute", "GRPCRoute"):
            continue
        for parent in item.manifest["spec"].get("parentRefs", []):
            space = parent.get("namespace", item.namespace)
            gateway = _gateway(inventory, space, parent["name"])
            if gateway is None:
                yield f"{item}: no Gateway {parent['name']} in {space}"
                continue
            listeners = [entry for entry in gateway["spec"]["listeners"] if parent.get("sectionName") in (None, entry["name"])]
            if not any(_admits(inventory, listener, space, item.namespace) for listener in listeners):
                yield f"{item}: no listener of Gateway {parent['name']} admits namespace {item.namespace}"


def _admits(inventory: Inventory, listener: dict[str, Any], own: str, namespace: str) -> bool:
    allowed = walk(listener, "allowedRoutes.namespaces") or {}
    how = allowed.get("from", "Same")
    if how == "Selector":
        return matches(allowed["selector"], inventory.namespaces.get(namespace, {}))
    return how == "All" or own == namespace


def backends(inventory: Inventory) -> Iterator[str]:
    """A route's backends are Services with that port; another namespace's are granted."""
    for item in inventory.items:
        if item.kind not in ("HTTPRoute", "GRPCRoute"):
            continue
        for rule in item.manifest["spec"].get("rules", []):
            for backend in rule.get("backendRefs", []):
                space = backend.get("namespace", item.namespace)
                if backend.get("kind", "Service") != "Service":
                    if not inventory.has(backend["kind"], space, backend["name"]):
                        yield f"{item}: no {backend['kind']} {backend['name']} in {space}"
                elif backend["port"] not in inventory.services.get((space, backend["name"]), {}):
                    yield f"{item}: no Service {backend['name']} with port {backend['port']} in {space}"
                if space != item.namespace and not _granted(inventory, item, space):
                    yield f"{item}: no ReferenceGrant in {space} admits it"


def _granted(inventory: Inventory, route: Item, space: str) -> bool:
    grants = [item.manifest["spec"] for item in inventory.items if item.kind == "ReferenceGrant" and item.namespace == space]
    wanted = (route.kind, route.namespace)
    return any((source["kind"], source["namespace"]) == wanted for grant in grants for source in grant["from"])


def policies(inventory: Inventory) -> Iterator[str]:
    """What a policy is about exists in its namespace; so do its extensions."""
    for item in inventory.items:
        spec = item.manifest.get("spec") or {}
        if item.manifest["apiVersion"].startswith("gateway.kgateway.dev/"):
            for target in spec.get("targetRefs", []):
                if not inventory.has(target["kind"], item.namespace, target["name"]):
                    yield f"{item}: no {target['kind']} {target['name']} in {item.namespace}"
            for field in ("extAuth", "rateLimit", "extProc"):
                reference = walk(spec, f"{field}.extensionRef") or walk(spec, f"{field}.global.extensionRef")
                space = (reference or {}).get("namespace", item.namespace)
                if reference and not inventory.has("GatewayExtension", space, reference["name"]):
                    yield f"{item}: no GatewayExtension {reference['name']} in {space}"
            backend = walk(spec, "extAuth.grpcService.backendRef") or walk(spec, "rateLimit.grpcService.backendRef")
            if backend and (backend.get("namespace", item.namespace), backend["name"]) not in inventory.services:
                yield f"{item}: no Service {backend['name']}"
        if item.kind == "Gateway":
            reference = walk(spec, "infrastructure.parametersRef")
            if reference and not inventory.has(reference["kind"], item.namespace, reference["name"]):
                yield f"{item}: no {reference['kind']} {reference['name']} in {item.namespace}"


def rollouts(inventory: Inventory) -> Iterator[str]:
    """Its two Services, and a route that names them both."""
    routes = {(item.namespace, item.name): item.manifest for item in inventory.items if item.kind == "HTTPRoute"}
    for item in inventory.items:
        if item.kind != "Rollout":
            continue
        canary = walk(item.manifest, "spec.strategy.canary") or {}
        names = {canary.get("stableService"), canary.get("canaryService")}
        for name in names - {None}:
            if not inventory.has("Service", item.namespace, name):
                yield f"{item}: no Service {name}"
        plugin = (walk(canary, "trafficRouting.plugins") or {}).get("argoproj-labs/gatewayAPI") or {}
        listed = [plugin["httpRoute"] for _ in [0] if "httpRoute" in plugin] + [route["name"] for route in plugin.get("httpRoutes", [])]
        for name in listed:
            route = routes.get((plugin.get("namespace", item.namespace), name))
            if route is None:
                yield f"{item}: no HTTPRoute {name} in {plugin.get('namespace', item.namespace)}"
                continue
            for rule in route["spec"]["rules"]:
                if not names <= {backend["name"] for backend in rule.get("backendRefs", [])}:
                    yield f"{item}: a rule of HTTPRoute {name} does not name {sorted(names)}: the plugin would fail on it"


def network(inventory: Inventory) -> Iterator[str]:
    """A network policy's pods and peers exist, and the peer has the port."""
    third_party = {label for label, _, _ in THIRD_PARTY_PODS}
    for item in inventory.items:
        if item.kind != "NetworkPolicy":
            continue
        spec = item.manifest["spec"]
        about = inventory.selected(item.namespace, spec["podSelector"])
        if spec["podSelector"] and not about and not labels_of(spec["podSelector"]) & third_party:
            yield f"{item}: is about no pod"
        for side, key in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(side) or []:
                for peer in rule.get(key) or []:
                    yield from _peer(inventory, item, peer, rule.get("ports", []) if side == "egress" else [])


def _peer(inventory: Inventory, item: Item, peer: dict[str, Any], ports: list[dict[str, Any]]) -> Iterator[str]:
    if "ipBlock" in peer:
        return
    spaces = [item.namespace]
    if "namespaceSelector" in peer:
        spaces = [name for name, labels in inventory.namespaces.items() if matches(peer["namespaceSelector"], labels)]
        if not spaces:
            yield f"{item}: no namespace has {peer['namespaceSelector']}"
    selector = peer.get("podSelector")
    if not selector:
        return
    pods = [pod for space in spaces for pod in inventory.selected(space, selector)]
    wanted = selector.get("matchLabels") or {}
    elsewhere = any(THIRD_PARTY_LABELS.get((space, key), set()) & {value} for space in spaces for key, value in wanted.items())
    by_label = labels_of(selector) & {label for label, _, _ in THIRD_PARTY_PODS}
    if not pods and not elsewhere and not by_label:
        yield f"{item}: no pod in {', '.join(spaces)} has {selector}"
    for port in ports:
        number = port.get("port")
        # A range opens more than one port has.
        if pods and "endPort" not in port and not any(number in pod.ports or number in pod.ports.values() for pod in pods):
            yield f"{item}: {pods[0].owner} has no port {number}"
