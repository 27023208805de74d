from __future__ import annotations

from pathlib import Path

import pytest

from steps.contract.errors import ConfigError
from steps.serve.gateway.envoy import CLUSTERS, bootstrap, endpoint_of, endpoints, parse_host_port, route, weight_of


@pytest.mark.parametrize("weight", [0, 5, 100])
def test_a_route_document_says_its_weight(weight: int) -> None:
    document = route(weight, "v1")
    assert weight_of(document) == weight
    assert document["version_info"] == "v1"


@pytest.mark.parametrize("weight", [-1, 101])
def test_weights_are_percent(weight: int) -> None:
    with pytest.raises(ConfigError, match="within 0 and 100"):
        route(weight, "v1")


def test_endpoints_round_trip() -> None:
    assert endpoint_of(endpoints("stable", "127.0.0.1:8000", "v")) == "127.0.0.1:8000"
    assert endpoint_of(endpoints("canary", None, "v")) is None


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "host:0", "host:70000", "host:x"])
def test_malformed_endpoints_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_host_port(text)


def test_clusters_are_named_as_on_kubernetes_and_read_from_files(tmp_path: Path) -> None:
    document = bootstrap(tmp_path, "127.0.0.1", 0, 0)
    clusters = document["static_resources"]["clusters"]
    assert [cluster["name"] for cluster in clusters] == [f"kube_model-serving_agent-model-{name}_8000" for name in CLUSTERS]
    assert {cluster["type"] for cluster in clusters} == {"EDS"}
    assert document["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
