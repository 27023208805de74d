"""What our queries name is what the exporters really show: all three are scraped by a real Prometheus."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from steps.canary.promql import CANARY, POD_HASH_LABEL, STABLE, query
from steps.canary.rules import RULES
from steps.cluster.process import ServerProcess
from steps.serve.gateway.envoy import CLUSTERS

from .scenarios import CONFIG

SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)="')


def selectors(text: str) -> dict[str, set[str]]:
    """Metric -> labels that a query's selectors name; by `le` an aggregation needs it, too."""
    found: dict[str, set[str]] = {}
    for argument in (*vars(STABLE).values(), *vars(CANARY).values()):
        text = text.replace(argument, "x")
    for metric, labels in SELECTOR.findall(text):
        found.setdefault(metric, set()).update(LABEL.findall(labels), {"le"} if metric.endswith("_bucket") else set())
    return found


class Answers(BaseHTTPRequestHandler):
    """A model that fails at /fail, and pages of metrics."""

    pages: dict[str, bytes] = {}

    def do_GET(self) -> None:
        status = 500 if self.path == "/fail" else 200
        body = self.pages.get(self.path, b"{}")
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def scraped(start_prometheus, backend, tmp_path_factory):
    from prometheus_client import CollectorRegistry, generate_latest

    from steps.serve.model.metrics import EngineMetrics
    from steps.serve.quality.counters import QualityCounters

    counters, registry = QualityCounters(), CollectorRegistry()
    registry.register(counters)
    _score(counters)
    Answers.pages = {"/quality": generate_latest(registry), "/model": EngineMetrics("agent-model").render()}
    folder = tmp_path_factory.mktemp("gateway")
    options = {"config_dir": str(folder / "config"), "stable": backend, "canary": backend, "canary_percent": 50}
    gateway = ServerProcess("gateway", options, log_file=folder / "log")
    gateway.wait_healthy(30)
    try:
        for number in range(40):
            connection = http.client.HTTPConnection(gateway.host_port, timeout=5)
            connection.request("GET", "/fail" if number % 2 else "/")
            connection.getresponse().read()
            connection.close()
        admin = f"127.0.0.1:{gateway.ports['admin_port']}/stats/prometheus"
        prometheus = start_prometheus(targets={"gateway": admin, "quality": f"{backend}/quality", "model": f"{backend}/model"})
        for job in ("gateway", "quality", "model"):
            prometheus.wait_for(f'up{{job="{job}"}} == 1')
        yield prometheus
    finally:
        gateway.stop()


def _score(counters) -> None:
    """One scored answer and two thumbs, of a known pod."""
    source = ("agent-model", "7", "6f9c")
    counters.scored(source, {"faithfulness": 0.9, "answer_relevancy": 0.8})
    counters.feedback(source, 1.0)
    counters.feedback(source, 0.0)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_metric_and_label_is_shown(scraped, rule):
    named = selectors(query(rule, CONFIG))
    assert named
    for metric, labels in named.items():
        # Prometheus itself writes this one on every series of a pod, told by the PodMonitor's podTargetLabels.
        shown = labels - {POD_HASH_LABEL}
        wanted = ",".join(f'{label}!=""' for label in sorted(shown))
        assert scraped.vector(f"{metric}{{{wanted}}}", None), f"{metric} with {sorted(shown)} is shown by nobody"


def test_envoys_clusters_are_named_as_the_charts_say(scraped):
    seen = {labels["envoy_cluster_name"] for labels, _ in scraped.vector("envoy_cluster_upstream_rq_xx", None)}
    assert seen >= set(CLUSTERS.values())


def test_failures_carry_the_class_that_is_asked_for(scraped):
    assert sum(scraped.values('envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}', None)) == 20
    assert sum(scraped.values("envoy_cluster_upstream_rq_xx", None)) == 40


def test_a_name_that_nobody_shows_is_noticed(scraped):
    assert selectors('sum(rate(langfuse_trace_faithfulness{model="x"}[5m]))') == {"langfuse_trace_faithfulness": {"model"}}
    assert not scraped.vector('langfuse_trace_faithfulness{model!=""}', None)
