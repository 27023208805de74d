"""The doctor's question to Prometheus, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from steps.canary.promql import metric_names
from steps.contract.config import PipelineConfig
from steps.contract.errors import TransientError
from steps.operate.doctor.finding import Skip
from steps.operate.doctor.monitoring import IN_CLUSTER, analysis_address, prometheus

ROOT = Path(__file__).parents[4]
WANTED = metric_names(PipelineConfig().canary)


class Names(BaseHTTPRequestHandler):
    """A Prometheus that knows the names of its series."""

    names: tuple[str, ...] = ()
    status = 200

    def do_GET(self) -> None:
        body = json.dumps({"status": "success", "data": self.names}).encode()
        self.send_response(self.status if self.path == "/api/v1/label/__name__/values" else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Names)
    Names.names, Names.status = (*WANTED, "up"), 200
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_metric_of_the_analyses_is_asked_for(address):
    assert prometheus(PipelineConfig(), address) == f"{address}: all {len(WANTED)} metrics of the analyses"
    assert {"envoy_cluster_upstream_rq_xx", "ctp_quality_faithfulness_count", "vllm:num_requests_waiting"} <= WANTED


def test_an_absent_metric_is_named(address):
    Names.names = tuple(WANTED - {"vllm:num_requests_waiting"})
    with pytest.raises(TransientError, match="has no vllm:num_requests_waiting: let traffic pass"):
        prometheus(PipelineConfig(), address)


def test_a_prometheus_that_does_not_answer_is_one_line(address):
    Names.status = 503
    for url in (address, "http://127.0.0.1:9", "http://no-such-host.invalid:9090"):
        with pytest.raises(Skip, match=f"^{url} does not answer from here .*give --prometheus"):
            prometheus(PipelineConfig(), url)
    with pytest.raises(Skip, match="^no Prometheus is named"):
        prometheus(PipelineConfig(), "")


@pytest.mark.parametrize("environment", ["kind", "staging", "production"])
def test_the_address_is_the_one_that_the_analyses_get(environment):
    chart = yaml.safe_load((ROOT / "rollouts" / "values.yaml").read_text(encoding="utf-8"))
    values = ROOT / "charts" / "environments" / environment / "values.yaml"
    own = (yaml.safe_load(values.read_text(encoding="utf-8"))["serving"].get("analysis") or {}).get("prometheus")
    assert chart["serving"]["analysis"]["prometheus"] == IN_CLUSTER
    assert analysis_address(values) == (own or IN_CLUSTER)


def test_a_plain_configuration_names_no_prometheus(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("train: {method: dpo}\n")
    assert analysis_address(config) == analysis_address(None) == ""
