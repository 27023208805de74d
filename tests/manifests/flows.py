"""Which connection the rendered NetworkPolicies let through, as a network plugin decides it.

Source: Kubernetes documentation, "Network Policies": a pod that no policy selects for a direction is open in it;
one that some policy selects lets through what at least one of them allows; both ends must agree.
"""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from .inventory import Inventory, matches


class End(NamedTuple):
    """One end of a connection: a pod by namespace and labels, or an address outside the cluster."""

    namespace: str = ""
    labels: dict[str, str] = {}
    address: str = ""


def policies(inventory: Inventory) -> list[tuple[str, dict[str, Any]]]:
    """(namespace, spec) of every NetworkPolicy."""
    return [(item.namespace, item.manifest["spec"]) for item in inventory.items if item.kind == "NetworkPolicy"]


def _types(spec: dict[str, Any]) -> list[str]:
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]


def _port(entry: dict[str, Any], port: int, protocol: str) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    return "port" not in entry or entry["port"] <= port <= entry.get("endPort", entry["port"])


def _peer(peer: dict[str, Any], end: End, home: str, namespaces: dict[str, dict[str, str]]) -> bool:
    if "ipBlock" in peer:
        if not end.address:
            return False
        address, block = ipaddress.ip_address(end.address), peer["ipBlock"]
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(cidr) for cidr in block.get("except", []))
    if end.address:
        return False
    if "namespaceSelector" in peer:
        labels = {"kubernetes.io/metadata.name": end.namespace, **namespaces.get(end.namespace, {})}
        there = matches(peer["namespaceSelector"], labels)
    else:
        there = end.namespace == home
    return there and matches(peer.get("podSelector", {}), end.labels)


def _direction(inventory: Inventory, side: str, pod: End, other: End, port: int, protocol: str) -> bool:
    if pod.address:
        return True
    chosen = [
        spec
        for namespace, spec in policies(inventory)
        if namespace == pod.namespace and side in _types(spec) and matches(spec["podSelector"], pod.labels)
    ]
    key, peers = ("egress", "to") if side == "Egress" else ("ingress", "from")
    rules = [rule for spec in chosen for rule in spec.get(key) or []]
    return not chosen or any(
        (not rule.get("ports") or any(_port(entry, port, protocol) for entry in rule["ports"]))
        and (not rule.get(peers) or any(_peer(peer, other, pod.namespace, inventory.namespaces) for peer in rule[peers]))
        for rule in rules
    )


def allowed(inventory: Inventory, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether the connection comes about."""
    return _direction(inventory, "Egress", source, target, port, protocol) and _direction(
        inventory, "Ingress", target, source, port, protocol
    )
