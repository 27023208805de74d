"""Reading a Rollout and asking Prometheus, checked without a cluster."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from .prometheus import ask, proxy_path, values, wanted_series
from .rollout import look, story, weight_of

TOKEN = "a-token"


def route(*weights):
    rules = [{"backendRefs": [{"name": "m-stable", "weight": 100 - weight}, {"name": "m-canary", "weight": weight}]} for weight in weights]
    return {"metadata": {"name": "m"}, "spec": {"rules": rules}}


def rollout(**status):
    template = {"metadata": {"labels": {"ctp.model-version": "4"}}}
    return {
        "kind": "Rollout",
        "metadata": {"generation": 2},
        "spec": {"template": template, "strategy": {"canary": {"canaryService": "m-canary", "stableService": "m-stable"}}},
        "status": {"observedGeneration": "2", "stableRS": "aaa", "currentPodHash": "bbb"} | status,
    }


def test_a_canary_under_way():
    found = look(rollout(phase="Paused", message="CanaryPauseStep"), route(25))
    assert (found.phase, found.version, found.weight, found.aborted, found.over) == ("Paused", 4, 25, False, False)


def test_an_aborted_one_is_degraded_and_not_over():
    found = look(rollout(phase="Degraded", abort=True, message="m"), route(0))
    assert (found.phase, found.weight, found.aborted, found.over) == ("Degraded", 0, True, False)


def test_over_is_when_the_newest_serve_everybody():
    assert look(rollout(phase="Healthy", currentPodHash="aaa"), route(0)).over
    assert not look(rollout(phase="Healthy"), route(0)).over


def test_rules_that_disagree_are_no_weight():
    with pytest.raises(ValueError, match="m-canary has the weights .5, 25."):
        weight_of(route(5, 25), "m-canary")
    with pytest.raises(ValueError, match="the weights .., not one"):
        weight_of(route(5), "other")


def test_a_story_says_what_analyses_said():
    run = {
        "metadata": {"name": "m-1"},
        "status": {"metricResults": [{"name": "error-ratio", "phase": "Failed", "measurements": [{"value": "[0.2]"}]}]},
    }
    assert "m-1 error-ratio Failed: [0.2]" in story(look(rollout(), route(0)), [run])


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://prometheus.monitoring:9090", "/api/v1/namespaces/monitoring/services/http:prometheus:9090/proxy/api/v1/query"),
        ("http://p.m.svc.cluster.local/prom/", "/api/v1/namespaces/m/services/http:p:80/proxy/prom/api/v1/query"),
    ],
)
def test_the_way_through_the_api_server(url, path):
    assert proxy_path(url) == path


@pytest.mark.parametrize("url", ["prometheus:9090", "http://prometheus:9090", "https://p.m:9090", "http://a.b.example.org"])
def test_a_url_that_pods_cannot_use_is_refused(url):
    with pytest.raises(ValueError, match="http://SERVICE.NAMESPACE:PORT"):
        proxy_path(url)


def test_an_answer_of_prometheus():
    answer = {"status": "success", "data": {"result": [{"value": [0, "1.5"]}, {"value": [0, "NaN"]}]}}
    assert values(answer)[0] == 1.5 and len(values(answer)) == 2
    with pytest.raises(ValueError, match="parse error"):
        values({"status": "error", "error": "parse error"})


class ApiServer(BaseHTTPRequestHandler):
    """Only the way to one Service, with a token."""

    def do_GET(self):
        parts = urlsplit(self.path)
        known = parts.path == "/api/v1/namespaces/monitoring/services/http:prometheus:9090/proxy/api/v1/query"
        status = 403 if self.headers.get("Authorization") != f"Bearer {TOKEN}" else 200 if known else 404
        result = [{"value": [0, str(len(parse_qs(parts.query)["query"][0]))]}]
        data = json.dumps({"status": "success", "data": {"result": result}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def test_a_query_goes_through_the_api_server(tmp_path):
    from kubernetes import config
    from kubernetes.client.exceptions import ApiException

    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            api = config.new_client_from_config(config_file=str(kubeconfig(tmp_path / "config", server.server_address[1])))
            expression = 'sum(increase(x{a=~"b+"}[5m])) or vector(0)'
            assert ask(api, "http://prometheus.monitoring:9090", expression) == [len(expression)]
            with pytest.raises(ApiException):
                ask(api, "http://other.monitoring:9090", "x")
            api.close()
        finally:
            server.shutdown()
            thread.join()


def kubeconfig(path, port):
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "t",
        "clusters": [{"name": "t", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "t", "user": {"token": TOKEN}}],
        "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
    }
    path.write_text(json.dumps(document))
    return path


def test_the_series_are_those_of_the_exporters():
    from steps.serve.gateway.kube_routes import Backend

    wanted = "\n".join(wanted_series("ns", "agent-model", 8000).values())
    assert Backend("ns", "agent-model-stable", 8000).cluster in wanted
