from __future__ import annotations

from typing import Any

import pytest

from steps.serve.gateway.kube_routes import Backend, backend_of, backends, route_document, seconds_of


def route(name: str, *rules: dict[str, Any], hostnames: list[str] | None = None, age: str = "1") -> dict[str, Any]:
    spec: dict[str, Any] = {"rules": list(rules)} | ({"hostnames": hostnames} if hostnames else {})
    return {"metadata": {"name": name, "namespace": "ns", "creationTimestamp": age}, "spec": spec}


def to(stable: int, canary: int, **rule: Any) -> dict[str, Any]:
    references = [{"kind": "Service", "group": "", "name": name, "port": 8000, "weight": weight} for name, weight in
                  (("agent-model-stable", stable), ("agent-model-canary", canary))]  # fmt: skip
    return {"backendRefs": references, **rule}


def entries(*routes: dict[str, Any], domain: str = "*") -> list[dict[str, Any]]:
    (resource,) = route_document(routes, "r", "1")["resources"]
    (found,) = [host["routes"] for host in resource["virtual_hosts"] if host["name"] == domain]
    return found[1:]


def test_weights_go_to_clusters_named_as_kgateway_names_them() -> None:
    (entry,) = entries(route("agent-model", to(95, 5)))
    assert entry["match"] == {"prefix": "/"}
    assert entry["route"]["weighted_clusters"]["clusters"] == [
        {"name": "kube_ns_agent-model-stable_8000", "weight": 95},
        {"name": "kube_ns_agent-model-canary_8000", "weight": 5},
    ]


def test_the_testers_header_comes_before_the_split() -> None:
    header = {"headers": [{"type": "Exact", "name": "x-ctp-tester", "value": "canary"}], "path": {"type": "PathPrefix", "value": "/v1"}}
    main = route("agent-model", to(95, 5, matches=[{"path": {"type": "PathPrefix", "value": "/v1"}}]))
    first, second = entries(main, route("agent-model-testers", to(0, 1, matches=[header]), age="2"))
    assert first["match"] == {
        "path_separated_prefix": "/v1",
        "headers": [{"name": "x-ctp-tester", "string_match": {"exact": "canary"}}],
    }
    assert second["match"] == {"path_separated_prefix": "/v1"}


def test_a_managed_header_route_of_the_plugin_comes_first() -> None:
    """It turns prefix matches into regular expressions."""
    managed = {"headers": [{"name": "x", "value": "1"}], "path": {"type": "RegularExpression", "value": "/v1.*"}}
    first, _ = entries(
        route("agent-model", to(95, 5, matches=[{"path": {"type": "PathPrefix", "value": "/v1"}}]), to(0, 1, matches=[managed]))
    )
    assert first["match"]["safe_regex"] == {"regex": "/v1.*"}


def test_precedence_of_the_gateway_api() -> None:
    matches = [
        {},
        {"path": {"type": "PathPrefix", "value": "/v1"}},
        {"path": {"type": "PathPrefix", "value": "/v1/chat/"}},
        {"path": {"type": "PathPrefix", "value": "/v1"}, "method": "POST"},
        {"path": {"type": "Exact", "value": "/v1"}},
    ]
    found = entries(route("r", to(1, 0, matches=matches)))
    shown = [next(value for key, value in entry["match"].items() if key != "headers") for entry in found]
    assert shown == ["/v1", "/v1/chat", "/v1", "/v1", "/"]
    assert found[2]["match"]["headers"] == [{"name": ":method", "string_match": {"exact": "POST"}}]


def test_of_equal_matches_the_older_route_counts() -> None:
    young, old = route("young", to(1, 0), age="2026-02-01"), route("old", to(0, 1), age="2026-01-01")
    first = entries(young, old)[0]
    assert first["route"]["weighted_clusters"]["clusters"][0]["weight"] == 0


@pytest.mark.parametrize(
    "rule",
    [
        to(0, 0),
        {},
        to(1, 0, filters=[{"type": "RequestMirror"}]),
        {"backendRefs": [{"name": "x", "port": 1, "namespace": "elsewhere"}]},
        {"backendRefs": [{"name": "pool", "kind": "InferencePool", "group": "inference.networking.k8s.io"}]},
    ],
)
def test_what_cannot_be_done_is_500_and_not_guessed(rule: dict[str, Any]) -> None:
    (entry,) = entries(route("r", rule))
    assert entry["direct_response"]["status"] == 500


def test_the_gateways_own_health_stands_first() -> None:
    (resource,) = route_document([route("r", to(1, 0), hostnames=["a.example"])], "r", "1")["resources"]
    assert [host["domains"] for host in resource["virtual_hosts"]] == [["*"], ["a.example"]]
    assert all(host["routes"][0]["match"] == {"path": "/health"} for host in resource["virtual_hosts"])


def test_hostnames_have_their_own_routes() -> None:
    assert len(entries(route("r", to(1, 0), hostnames=["a.example"]), domain="a.example")) == 1
    assert entries(route("r", to(1, 0), hostnames=["a.example"])) == []


def test_timeouts() -> None:
    (entry,) = entries(route("r", to(1, 0, timeouts={"request": "0s", "backendRequest": "1m30s"})))
    assert entry["route"]["timeout"] == "0s"
    assert entry["route"]["retry_policy"]["per_try_timeout"] == "90s"
    assert (seconds_of("1h"), seconds_of("500ms"), seconds_of("1m30s")) == (3600, 0.5, 90)


def test_backends_are_service_ports_of_the_routes_namespace() -> None:
    assert backends([route("a", to(1, 0)), route("b", to(0, 1))]) == [
        Backend("ns", "agent-model-canary", 8000),
        Backend("ns", "agent-model-stable", 8000),
    ]
    assert backend_of({"name": "a"}, "ns") is None
    assert backend_of({"name": "a", "port": 80, "filters": [{}]}, "ns") is None
