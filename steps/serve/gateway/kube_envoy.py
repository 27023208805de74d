"""Envoy's configuration for the gateway of a cluster: static part, clusters and metrics listener. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from steps.serve.gateway.envoy import base_config, eds_cluster, file_source, http_listener, route_listener

CLUSTER_FILE = "clusters.json"
ADMIN_CLUSTER = "ctp-admin"
METRICS_PATH = "/metrics"
# As kgateway's proxies: series that never counted anything are left out.
STATS_PATH = "/stats/prometheus?usedonly"
_CLUSTER_TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


def endpoints_path(config_dir: Path, cluster: str) -> Path:
    """File of a cluster's endpoints."""
    return config_dir / f"endpoints-{cluster}.json"


def cluster_document(config_dir: Path, clusters: Iterable[str], version: str) -> dict[str, Any]:
    """The cluster document; each cluster's endpoint file must exist before it is written."""
    resources = [{"@type": _CLUSTER_TYPE, **eds_cluster(name, endpoints_path(config_dir, name))} for name in clusters]
    return {"version_info": version, "resources": resources}


def kube_bootstrap(config_dir: Path, host: str, port: int, admin_port: int, metrics_port: int) -> dict[str, Any]:
    """The static part: the listener, and a second one that shows the counters and nothing else of the admin interface.

    Args:
        config_dir: absolute folder of the documents.
        host: address of both listeners.
        port: of requests; 0 takes a free one.
        admin_port: of the admin interface, on the loopback; 0 takes a free one.
        metrics_port: of the counters; 0 takes a free one.
    """
    scrape = {
        "name": "metrics",
        "virtual_hosts": [
            {
                "name": "metrics",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"path": METRICS_PATH, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
                        "route": {"cluster": ADMIN_CLUSTER, "prefix_rewrite": STATS_PATH, "timeout": "30s"},
                    }
                ],
            }
        ],
    }
    return base_config(admin_port) | {
        "dynamic_resources": {"cds_config": file_source(config_dir / CLUSTER_FILE)},
        "static_resources": {
            "listeners": [
                route_listener("http", config_dir, host, port),
                http_listener("metrics", host, metrics_port, {"route_config": scrape}),
            ],
            # Its one endpoint is known only once the admin interface has its port.
            "clusters": [eds_cluster(ADMIN_CLUSTER, endpoints_path(config_dir, ADMIN_CLUSTER))],
        },
    }
