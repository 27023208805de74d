"""Checks of a cluster, on a real little API server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from steps.operate.doctor.cluster import NEEDED, needed

BUILD = ("buildDate", "compiler", "gitCommit", "gitTreeState", "gitVersion", "goVersion", "platform")


class Api(BaseHTTPRequestHandler):
    """An API server that serves /version and API groups."""

    groups: dict[str, list[str]] = {}
    minor = "34+"

    def do_GET(self):
        answer = None
        if self.path.rstrip("/") == "/version":
            answer = dict.fromkeys(BUILD, "x") | {"major": "1", "minor": self.minor}
        elif self.path.rstrip("/").removeprefix("/apis/") in self.groups:
            kinds = self.groups[self.path.rstrip("/").removeprefix("/apis/")]
            answer = {
                "groupVersion": self.path.rstrip("/").removeprefix("/apis/"),
                "resources": [
                    {"kind": kind, "name": kind.lower() + "s", "singularName": "", "namespaced": True, "verbs": ["get"]} for kind in kinds
                ],
            }
        body = json.dumps(answer or {"kind": "Status"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api(tmp_path, monkeypatch, by_area):
    """A kubeconfig that leads to a server of `Api`."""

    def start(groups, minor="34+") -> None:
        handler = type("Served", (Api,), {"groups": groups, "minor": minor})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        context = {"clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}]}
        context |= {"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}]}
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "c", **context}))
        monkeypatch.setenv("KUBECONFIG", str(path))

    servers: list[ThreadingHTTPServer] = []
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def all_groups():
    groups: dict[str, list[str]] = {}
    for group, version, kinds in NEEDED.values():
        groups.setdefault(f"{group}/{version}", []).extend(kinds)
    return groups


def test_a_whole_cluster_is_well(api, by_area):
    api(all_groups())
    found = by_area()
    assert found["cluster"].detail == "Kubernetes 1.34"
    assert {found[name].status for name in NEEDED} == {"ok"}


def test_a_missing_kind_and_an_old_server_are_said(api, by_area):
    groups = all_groups()
    groups["gateway.networking.k8s.io/v1"] = ["Gateway"]
    api(groups)
    found = by_area()
    assert found["Gateway API"].status == "failed" and "HTTPRoute" in found["Gateway API"].detail
    api(groups, minor="25")
    found = by_area()
    assert found["cluster"].status == "failed" and "1.25" in found["cluster"].detail
    assert "Gateway API" not in found


def test_staging_needs_what_its_charts_are_written_in():
    root = Path(__file__).parents[4]
    assert set(needed("kind")) < set(needed("staging")) == set(needed("production"))
    assert (root / "charts/environments/staging/values.yaml").is_file()
