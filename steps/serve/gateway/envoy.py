"""Envoy's configuration as data: bootstrap, route (weights) and endpoints. Pure functions.

Clusters are named as kgateway names them on Kubernetes, so the same queries read the
metrics of both. Weights and endpoints are files that Envoy watches: replacing one by a
rename changes the running proxy without a restart or a lost request.

Source:
    https://www.envoyproxy.io/docs/envoy/v1.37.0/api-v3/api
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steps.contract.errors import ConfigError

ROUTE_NAME = "agent-model"
CLUSTERS: Mapping[str, str] = {
    "stable": "kube_model-serving_agent-model-stable_8000",
    "canary": "kube_model-serving_agent-model-canary_8000",
}
ROUTE_FILE = "route.json"
REQUEST_TIMEOUT_S = 600
IDLE_TIMEOUT_S = 300
# Upstream connections end here before a server with a longer keep-alive can close them under a request.
UPSTREAM_IDLE_S = 30
# Each retried failure means that no byte of the request reached a model: nothing is generated twice.
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
LATENCY_BOUNDS_MS = (
    1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100, 120, 140, 160, 180, 200, 225, 250, 275, 300,
    350, 400, 450, 500, 600, 700, 800, 900, 1000, 1250, 1500, 1750, 2000, 2500, 3000, 4000, 5000, 7500, 10000, 15000, 20000, 30000,
    60000, 120000, 300000, 600000,
)  # fmt: skip

_TYPE = "type.googleapis.com/envoy"
_HCM = f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_TYPE}.extensions.filters.http.router.v3.Router"
_HTTP_OPTIONS = f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"


def endpoints_file(name: str) -> str:
    """File of the endpoints of `stable` or `canary`."""
    return f"endpoints-{name}.json"


def parse_host_port(text: str) -> tuple[str, int]:
    """Split `host:port`.

    Raises:
        ConfigError: it is not that.
    """
    host, _, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:8000")
    return host, int(port)


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def file_source(path: Path) -> dict[str, Any]:
    """A configuration source: a file that Envoy reads again when a rename replaces it."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def eds_cluster(name: str, endpoints: Path) -> dict[str, Any]:
    """A cluster of plain HTTP/1.1 servers without limits of its own; `endpoints` is the absolute path of its endpoint document."""
    most = 1_000_000
    return {
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "eds_cluster_config": {"eds_config": file_source(endpoints)},
        "circuit_breakers": {
            "thresholds": [{"max_connections": most, "max_pending_requests": most, "max_requests": most, "max_retries": most}]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_S}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def bootstrap(config_dir: Path, host: str, port: int, admin_port: int) -> dict[str, Any]:
    """The static part of the proxy: listener, clusters, admin interface on the loopback.

    Args:
        config_dir: absolute folder of the route and endpoint files.
        host: address of the listener.
        port: port of the listener; 0 takes a free one.
        admin_port: port of the admin interface; 0 takes a free one.
    """
    listener = route_listener("http", config_dir, host, port)
    clusters = [eds_cluster(CLUSTERS[name], config_dir / endpoints_file(name)) for name in CLUSTERS]
    return base_config(admin_port) | {"static_resources": {"listeners": [listener], "clusters": clusters}}


def http_listener(name: str, host: str, port: int, routes: Mapping[str, Any]) -> dict[str, Any]:
    """A listener for HTTP.

    Args:
        name: of the listener, and prefix of its counters.
        host: address to listen on.
        port: 0 takes a free one.
        routes: its route document (`route_config`) or where that is found (`rds`).
    """
    manager = {
        "@type": _HCM,
        "stat_prefix": name,
        **routes,
        "stream_idle_timeout": f"{IDLE_TIMEOUT_S}s",
        "strip_any_host_port": True,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    return {
        "name": name,
        "address": _address(host, port),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }


def route_listener(name: str, config_dir: Path, host: str, port: int) -> dict[str, Any]:
    """The listener whose routes stand in the route file."""
    return http_listener(
        name, host, port, {"rds": {"route_config_name": ROUTE_NAME, "config_source": file_source(config_dir / ROUTE_FILE)}}
    )


def base_config(admin_port: int) -> dict[str, Any]:
    """The bootstrap fields of every proxy: node id, admin interface on the loopback, histogram buckets."""
    return {
        "node": {"id": "inference-gateway", "cluster": "ctp"},
        "admin": {"address": _address("127.0.0.1", admin_port)},
        # Histograms are merged at a flush only: an analysis that reads them must not see old ones.
        "stats_flush_interval": "0.2s",
        "stats_config": {
            "histogram_bucket_settings": [
                {"match": {"suffix": "upstream_rq_time"}, "buckets": [float(bound) for bound in LATENCY_BOUNDS_MS]}
            ]
        },
    }


def _discovery(version: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"version_info": version, "resources": [resource]}


def route(canary_percent: int, version: str) -> dict[str, Any]:
    """The route document: all requests, split by weight; `GET /health` is the gateway's own.

    Args:
        canary_percent: 0 to 100; at 0 the canary gets nothing at all, at 100 everything.
        version: a text that has not been used before; Envoy reports it once in effect.

    Raises:
        ConfigError: the percentage is out of bounds.
    """
    if not 0 <= canary_percent <= 100:
        raise ConfigError(f"canary weight {canary_percent} is not within 0 and 100 percent")
    weights = {"stable": 100 - canary_percent, "canary": canary_percent}
    split = {
        "weighted_clusters": {"clusters": [{"name": CLUSTERS[name], "weight": weight} for name, weight in weights.items()]},
        "timeout": f"{REQUEST_TIMEOUT_S}s",
        "idle_timeout": f"{IDLE_TIMEOUT_S}s",
        "retry_policy": {"retry_on": RETRY_ON, "num_retries": 4},
    }
    health = {"match": {"path": "/health"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}}
    host = {"name": "all", "domains": ["*"], "routes": [health, {"match": {"prefix": "/"}, "route": split}]}
    return _discovery(version, {"@type": f"{_TYPE}.config.route.v3.RouteConfiguration", "name": ROUTE_NAME, "virtual_hosts": [host]})


def weight_of(document: Mapping[str, Any]) -> int:
    """The canary percentage of a route document."""
    (virtual_host,) = document["resources"][0]["virtual_hosts"]
    clusters = virtual_host["routes"][-1]["route"]["weighted_clusters"]["clusters"]
    return next(int(cluster["weight"]) for cluster in clusters if cluster["name"] == CLUSTERS["canary"])


def endpoints(name: str, host_port: str | None, version: str) -> dict[str, Any]:
    """The endpoint document of `stable` or `canary`; None: nobody answers there.

    Raises:
        ConfigError: `host_port` is not `host:port`.
    """
    addresses = [parse_host_port(host_port)] if host_port else []
    balanced = [{"endpoint": {"address": _address(host, port)}} for host, port in addresses]
    assignment = {
        "@type": f"{_TYPE}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": CLUSTERS[name],
        "endpoints": [{"lb_endpoints": balanced}] if balanced else [],
    }
    return _discovery(version, assignment)


def endpoint_of(document: Mapping[str, Any]) -> str | None:
    """`host:port` of an endpoint document, None when it has no endpoint."""
    for locality in document["resources"][0]["endpoints"]:
        for entry in locality["lb_endpoints"]:
            address = entry["endpoint"]["address"]["socket_address"]
            return f"{address['address']}:{address['port_value']}"
    return None
