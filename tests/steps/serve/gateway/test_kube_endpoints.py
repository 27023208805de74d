from __future__ import annotations

from typing import Any

import pytest

from steps.serve.gateway.kube_endpoints import SERVICE_LABEL, addresses, load_assignment, port_name
from steps.serve.gateway.kube_routes import Backend

BACKEND = Backend("ns", "stable", 8000)
SERVICE = {"spec": {"ports": [{"name": "http", "port": 8000, "targetPort": "http"}, {"name": "metrics", "port": 9000}]}}


def slice_of(*endpoints: dict[str, Any], service: str = "stable", ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    found = [{"name": "http", "port": 8443}, {"name": "metrics", "port": 9}] if ports is None else ports
    return {"metadata": {"labels": {SERVICE_LABEL: service}}, "ports": found, "endpoints": list(endpoints)}


def pod(address: str, **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "conditions": conditions}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod("10.0.0.1", ready=True), pod("10.0.0.2", ready=False)], ["10.0.0.1"]),
        ([pod("10.0.0.1")], ["10.0.0.1"]),
        ([pod("10.0.0.1", ready=True), pod("10.0.0.2", ready=False, serving=True, terminating=True)], ["10.0.0.1"]),
        ([pod("10.0.0.2", ready=False, serving=True, terminating=True), pod("10.0.0.3", ready=False)], ["10.0.0.2"]),
        ([pod("10.0.0.2", ready=False, serving=False, terminating=True)], []),
        ([], []),
    ],
)
def test_only_pods_that_are_ready_get_requests(pods: list[dict[str, Any]], expected: list[str]) -> None:
    assert addresses(BACKEND, SERVICE, [slice_of(*pods)]) == [(address, 8443) for address in expected]


def test_the_port_is_the_one_that_the_service_names() -> None:
    """The pod's port may be another in every slice."""
    slices = [slice_of(pod("10.0.0.1")), slice_of(pod("10.0.0.2"), ports=[{"name": "http", "port": 8000}])]
    assert addresses(BACKEND, SERVICE, slices) == [("10.0.0.1", 8443), ("10.0.0.2", 8000)]
    assert addresses(Backend("ns", "stable", 1), SERVICE, slices) == []
    assert addresses(BACKEND, None, slices) == []


def test_other_services_slices_do_not_count() -> None:
    assert addresses(BACKEND, SERVICE, [slice_of(pod("10.0.0.1"), service="canary")]) == []


def test_an_only_port_needs_no_name() -> None:
    assert port_name({"spec": {"ports": [{"port": 80}]}}, 80) == ""


def test_the_document_of_a_cluster() -> None:
    document = load_assignment("c", [("10.0.0.2", 1), ("10.0.0.1", 1)], "7")
    found = document["resources"][0]["endpoints"][0]["lb_endpoints"]
    assert [entry["endpoint"]["address"]["socket_address"]["address"] for entry in found] == ["10.0.0.1", "10.0.0.2"]
    assert load_assignment("c", [], "8")["resources"][0]["endpoints"] == []
