"""Services and their EndpointSlices as Envoy's clusters and endpoints. Pure functions.

EndpointSlices and not DNS: a Service whose selector moves to other pods is followed at
once, and a pod that is not ready, or that leaves, gets no new request.

Source:
    https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from steps.serve.gateway.kube_routes import Backend

SERVICE_LABEL = "kubernetes.io/service-name"
Address = tuple[str, int]


def _serves(endpoint: Mapping[str, Any]) -> bool:
    """Whether an endpoint takes new requests: ready, and not known to be leaving. An absent condition means ready."""
    conditions = endpoint.get("conditions") or {}
    return conditions.get("ready") is not False and not conditions.get("terminating")


def _still_serves(endpoint: Mapping[str, Any]) -> bool:
    conditions = endpoint.get("conditions") or {}
    return bool(conditions.get("terminating")) and conditions.get("serving") is True


def port_name(service: Mapping[str, Any] | None, port: int) -> str | None:
    """Name of a Service's port, which its EndpointSlices carry; "" is the name of an only port, None: no such port."""
    ports = ((service or {}).get("spec") or {}).get("ports") or []
    return next((str(entry.get("name") or "") for entry in ports if entry.get("port") == port), None)


def addresses(backend: Backend, service: Mapping[str, Any] | None, slices: Iterable[Mapping[str, Any]]) -> list[Address]:
    """Addresses of a Service port: (IP address, port), sorted.

    When every pod is leaving, those that still answer are taken, as kube-proxy does.
    """
    name = port_name(service, backend.port)
    if name is None:
        return []
    ready: set[Address] = set()
    leaving: set[Address] = set()
    for slice_ in slices:
        if (slice_["metadata"].get("labels") or {}).get(SERVICE_LABEL) != backend.service or slice_.get("addressType") == "FQDN":
            continue
        ports = [int(entry["port"]) for entry in slice_.get("ports") or [] if (entry.get("name") or "") == name and entry.get("port")]
        for endpoint in slice_.get("endpoints") or []:
            target = ready if _serves(endpoint) else leaving if _still_serves(endpoint) else None
            if target is not None:
                target.update((address, port) for address in endpoint.get("addresses") or [] for port in ports)
    return sorted(ready or leaving)


def load_assignment(cluster: str, addresses: Iterable[Address], version: str) -> dict[str, Any]:
    """The endpoint document of one cluster."""
    sockets = [{"address": address, "port_value": port} for address, port in sorted(addresses)]
    balanced = [{"endpoint": {"address": {"socket_address": socket}}} for socket in sockets]
    assignment = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": balanced}] if balanced else [],
    }
    return {"version_info": version, "resources": [assignment]}
