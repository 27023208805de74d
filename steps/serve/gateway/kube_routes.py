"""HTTPRoutes as Envoy's route document. Pure functions.

What this gateway cannot do (filters, backends that are no Services) is answered with 500
as the Gateway API asks: a rule that is half applied would route where nobody wanted.

Source:
    https://gateway-api.sigs.k8s.io/reference/spec/#httproute (v1)
    https://www.envoyproxy.io/docs/envoy/v1.37.0/api-v3/config/route/v3/route_components.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steps.serve.gateway.envoy import IDLE_TIMEOUT_S, REQUEST_TIMEOUT_S, RETRY_ON

_TYPE = "type.googleapis.com/envoy"
_DURATION = re.compile(r"(\d{1,5})(ms|[hms])")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PATH_RANK = {"Exact": 2, "RegularExpression": 1, "PathPrefix": 0}
_RETRY: dict[str, Any] = {
    "retry_on": RETRY_ON,
    "num_retries": 4,
    # A pod that refuses because it is leaving is not asked a second time while another one is there.
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{_TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    # Least-request likes a dead host best: it has no request. So many draws find another one.
    "host_selection_retry_max_attempts": "20",
}


@dataclass(frozen=True, order=True)
class Backend:
    """A port of a Service."""

    namespace: str
    service: str
    port: int

    @property
    def cluster(self) -> str:
        """Envoy's name for it, as kgateway gives it."""
        return f"kube_{self.namespace}_{self.service}_{self.port}"


def backend_of(reference: Mapping[str, Any], namespace: str) -> Backend | None:
    """The Service port that a backendRef names; None when it is something else or in another namespace."""
    ours = (reference.get("group") or "") == "" and (reference.get("kind") or "Service") == "Service"
    if not ours or (reference.get("namespace") or namespace) != namespace or not reference.get("port") or reference.get("filters"):
        return None
    return Backend(namespace, str(reference["name"]), int(reference["port"]))


def backends(routes: Iterable[Mapping[str, Any]]) -> list[Backend]:
    """Every Service port that the routes may send to, whatever its weight; sorted."""
    names = {
        backend
        for route in routes
        for rule in route["spec"].get("rules") or []
        for reference in rule.get("backendRefs") or []
        if (backend := backend_of(reference, route["metadata"]["namespace"])) is not None
    }
    return sorted(names)


def seconds_of(duration: str) -> float:
    """A Gateway API duration, as in `1h30m` or `500ms`, in seconds."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))


def _refused(status: int, why: str) -> dict[str, Any]:
    return {"direct_response": {"status": status, "body": {"inline_string": f"{why}\n"}}}


def _action(rule: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The action of a rule: its backends by weight, or the 500 that the Gateway API asks for."""
    if rule.get("filters"):
        return _refused(500, "this gateway applies no filters")
    weights: dict[str, int] = {}
    for reference in rule.get("backendRefs") or []:
        backend = backend_of(reference, namespace)
        weight = int(reference.get("weight", 1))
        if backend is None and weight:
            return _refused(500, "a backend of this rule is no Service port of the route's namespace")
        if backend is not None:
            weights[backend.cluster] = weights.get(backend.cluster, 0) + weight
    if not sum(weights.values()):
        return _refused(500, "no backend of this rule has a weight")
    timeouts = rule.get("timeouts") or {}
    whole = seconds_of(timeouts["request"]) if "request" in timeouts else float(REQUEST_TIMEOUT_S)
    retry = dict(_RETRY)
    if "backendRequest" in timeouts:
        retry["per_try_timeout"] = f"{seconds_of(timeouts['backendRequest']):g}s"
    split = {
        "weighted_clusters": {"clusters": [{"name": name, "weight": weight} for name, weight in weights.items()]},
        "timeout": f"{whole:g}s",
        "idle_timeout": f"{IDLE_TIMEOUT_S}s",
        "retry_policy": retry,
    }
    return {"route": split}


def _text_match(item: Mapping[str, Any]) -> dict[str, Any]:
    kind = item.get("type") or "Exact"
    return {"safe_regex": {"regex": str(item["value"])}} if kind == "RegularExpression" else {"exact": str(item["value"])}


def _match(match: Mapping[str, Any]) -> dict[str, Any]:
    path = match.get("path") or {}
    kind, value = path.get("type") or "PathPrefix", str(path.get("value") or "/")
    if kind == "Exact":
        path_match: dict[str, Any] = {"path": value}
    elif kind == "RegularExpression":
        path_match = {"safe_regex": {"regex": value}}
    else:
        path_match = {"prefix": "/"} if value == "/" else {"path_separated_prefix": value.rstrip("/")}
    headers = [{"name": item["name"], "string_match": _text_match(item)} for item in match.get("headers") or []]
    if match.get("method"):
        headers.append({"name": ":method", "string_match": {"exact": str(match["method"])}})
    queries = [{"name": item["name"], "string_match": _text_match(item)} for item in match.get("queryParams") or []]
    return path_match | ({"headers": headers} if headers else {}) | ({"query_parameters": queries} if queries else {})


def _rank(match: Mapping[str, Any]) -> tuple[int, int, bool, int, int]:
    """The Gateway API's precedence of a match: a greater one is asked first."""
    path = match.get("path") or {}
    kind, value = path.get("type") or "PathPrefix", str(path.get("value") or "/")
    return _PATH_RANK[kind], len(value), bool(match.get("method")), len(match.get("headers") or []), len(match.get("queryParams") or [])


def route_document(routes: Iterable[Mapping[str, Any]], name: str, version: str) -> dict[str, Any]:
    """The route document of all HTTPRoutes together; `GET /health` is the gateway's own.

    Args:
        routes: HTTPRoute objects; of two equal matches the older route's counts.
        name: of the route configuration.
        version: a text that has not been used before; Envoy reports it once in effect.
    """
    ranked: dict[str, list[tuple[Any, dict[str, Any]]]] = {"*": []}
    ordered = sorted(routes, key=lambda route: (str(route["metadata"].get("creationTimestamp") or ""), route["metadata"]["name"]))
    for route in ordered:
        for rule in route["spec"].get("rules") or []:
            action = _action(rule, route["metadata"]["namespace"])
            for match in rule.get("matches") or [{}]:
                for domain in route["spec"].get("hostnames") or ["*"]:
                    ranked.setdefault(domain, []).append((_rank(match), {"match": _match(match), **action}))
    health = {"match": {"path": "/health"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}}
    hosts = [
        # sorted() is stable: equal ranks keep the order of the routes and of their rules.
        {
            "name": domain,
            "domains": [domain],
            "routes": [health, *(entry for _, entry in sorted(entries, key=lambda pair: pair[0], reverse=True))],
        }
        for domain, entries in ranked.items()
    ]
    resource = {"@type": f"{_TYPE}.config.route.v3.RouteConfiguration", "name": name, "virtual_hosts": hosts}
    return {"version_info": version, "resources": [resource]}
