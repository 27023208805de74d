"""The kind environment on the cluster of KUBECONFIG: applied, judged, seeded, once for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = ("KUBECONFIG", "CTP_E2E_IMAGE")
MISSING = [name for name in NEEDED if not os.environ.get(name)]
PROMETHEUS = "CTP_E2E_PROMETHEUS_URL"


def pytest_collection_modifyitems(items):
    """Whatever needs a cluster is skipped, with one plain line, where none is named."""
    reason = pytest.mark.skip(reason=f"no cluster: set {' and '.join(MISSING)} (docs/e2e.md)")
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()) and item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(3600))
            if MISSING:
                item.add_marker(reason)
            elif "delivery" in item.fixturenames and not os.environ.get(PROMETHEUS):
                item.add_marker(pytest.mark.skip(reason=f"no Prometheus: set {PROMETHEUS} (docs/e2e.md)"))


@pytest.fixture(scope="session")
def cluster(request):
    """The environment, ready: everything applied, the judge up, the first model pinned, traces on the volume."""
    from .cluster import MADE_HERE, Cluster
    from .rendered import environment_values, kind_environment, namespace_of

    values = environment_values("kind")
    claim = values["workflows"].get("claim", "ctp-data")
    image = os.environ["CTP_E2E_IMAGE"]
    cluster = Cluster(os.environ["KUBECONFIG"], namespace_of(values), image, claim)
    request.addfinalizer(cluster.close)
    cluster.start_clean()
    for document in kind_environment(image):
        if document["kind"] == "Namespace":
            document["metadata"].setdefault("labels", {})[MADE_HERE] = "true"
        cluster.apply(document)
    cluster.wait_deployment("ctp-judge")
    cluster.ctp_json("e2e-bootstrap", "bootstrap")
    cluster.ctp_json("e2e-traffic", "traffic", f"--to={values['pipeline']['ingest']['sources'][0]}", "--name=first")
    return cluster


@pytest.fixture(scope="session")
def delivery(cluster, request):
    """Serving as well: gateway, Rollout and quality exporter up, users asking, Prometheus looking."""
    from .delivery import Delivery

    delivery = Delivery(cluster, os.environ[PROMETHEUS])
    delivery.sync()
    delivery.until(lambda seen: seen.over, 900, "the first version serves")
    for name in ("inference-gateway", "ctp-quality"):
        cluster.wait_deployment(name)
    delivery.start_visitors()
    request.addfinalizer(delivery.stop_visitors)
    delivery.wait_scraped()
    return delivery
