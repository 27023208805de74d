"""Asking the cluster's Prometheus through the API server, so that the machine of the test needs no way into the pod network."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from kubernetes.client.exceptions import ApiException


def service_of(url: str) -> tuple[str, str]:
    """Name and namespace of the Service that a URL names, as in http://prometheus.monitoring:9090.

    Raises:
        ValueError: the URL names no Service of a namespace.
    """
    parts = urlsplit(url)
    name, _, rest = (parts.hostname or "").partition(".")
    namespace = rest.removesuffix(".").removesuffix(".cluster.local").removesuffix(".svc")
    if parts.scheme != "http" or not name or not namespace or "." in namespace:
        raise ValueError(f"CTP_E2E_PROMETHEUS_URL {url!r}: write http://SERVICE.NAMESPACE:PORT, as pods of the cluster reach it")
    return name, namespace


def proxy_path(url: str, what: str = "/api/v1/query") -> str:
    """Path at the API server that leads to a Service's URL.

    Raises:
        ValueError: the URL names no Service of a namespace.
    """
    parts = urlsplit(url)
    name, namespace = service_of(url)
    return f"/api/v1/namespaces/{namespace}/services/http:{name}:{parts.port or 80}/proxy{parts.path.rstrip('/')}{what}"


def values(answer: dict[str, Any]) -> list[float]:
    """The numbers of an instant query's answer.

    Raises:
        ValueError: Prometheus refused the query.
    """
    if answer.get("status") != "success":
        raise ValueError(f"Prometheus: {answer.get('error', 'no success')}")
    return [float(series["value"][1]) for series in answer["data"]["result"]]


def wanted_series(namespace: str, name: str, port: int) -> dict[str, str]:
    """What must be scraped before a canary can be judged: what it is -> query.

    Scraped once a minute, a window of a minute holds one sample, of which nothing increases: each must have four in it.
    """
    series = {
        "Envoy's counters (pods of the gateway, port 9091)": (
            f'envoy_cluster_upstream_rq_xx{{envoy_cluster_name="kube_{namespace}_{name}-stable_{port}"}}'
        ),
        "the quality exporter (pods ctp-quality, port 9400)": f'ctp_quality_scored_total{{model_name="{name}"}}',
        "the model servers (pods of the Rollout)": f'vllm:num_requests_running{{model_name="{name}"}}',
    }
    return {what: f"count_over_time({selector}[1m]) >= 4" for what, selector in series.items()}


def ask(api: Any, url: str, expression: str) -> list[float]:
    """An instant query through an API client of the cluster.

    Raises:
        ApiException: the API server or the proxied Service refuses.
        ValueError: the URL is no Service's, or Prometheus refuses the query.
    """
    request = api.param_serialize("GET", proxy_path(url), query_params=[("query", expression)], auth_settings=["BearerToken"])
    answer = api.call_api(*request, _request_timeout=30)
    body = answer.read()
    if not 200 <= answer.status < 300:
        raise ApiException(status=answer.status, reason=answer.reason)
    return values(json.loads(body))
