"""What `ctp doctor` says, on a real work folder and a real little API server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from steps.contract.config import load_config
from steps.contract.errors import ConfigError
from steps.operate.doctor.cluster import NEEDED, needed
from steps.operate.doctor.finding import Finding, look, worst_exit_code
from steps.operate.doctor.report import examine


@pytest.fixture
def by_area(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    def run(*overrides: str) -> dict[str, Finding]:
        findings = examine(load_config(None, overrides), tmp_path / "work")
        return {finding.area: finding for finding in findings}

    return run


def test_a_fresh_machine_has_nothing_to_complain_of(by_area):
    found = by_area()
    assert [area for area, finding in found.items() if finding.status == "failed"] == []
    assert found["packages"].status == found["work folder"].status == "ok"
    assert {"lake", "registry", "git", "AWS", "cluster", "sources"} <= {
        area for area, finding in found.items() if finding.status == "skipped"
    }


def test_looking_makes_nothing(by_area, tmp_path):
    by_area()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("override", "area", "says"),
    [
        ("reward_judge.base_url=http://127.0.0.1:9/v1", "reward judge", "reward_judge.base_url"),
        ("ingest.sources=[/nowhere/at/all]", "sources", "/nowhere/at/all"),
        ("govern.user_key_file=/nowhere/key", "secret files", "govern.user_key_file"),
        ("notify.webhook_url_file=/nowhere/url", "secret files", "notify.webhook_url_file"),
        ("lake.catalog=glue", "AWS", "AWS_REGION"),
        ("release.repository=/nowhere/repository.git", "git", "/nowhere/repository.git"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(by_area, override, area, says):
    found = by_area(override)
    assert found[area].status == "failed" and says in found[area].detail
    assert found[area].exit_code in (65, 75, 77, 78)


def test_git_credentials_are_secret_files_too(by_area):
    found = by_area("release.repository=https://127.0.0.1:9/r.git", "release.token_file=/nowhere/token")
    assert found["secret files"].status == "failed" and "release.token_file" in found["secret files"].detail


def test_the_first_failure_gives_the_exit_code():
    def broken():
        raise ConfigError("no")

    findings = (look("a", lambda: "fine"), look("b", broken), look("c", lambda: 1 / 0))
    assert worst_exit_code(findings) == 78
    assert findings[2].exit_code == 1
    assert worst_exit_code(findings[:1]) == 0


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
