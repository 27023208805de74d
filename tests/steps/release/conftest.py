"""Real Git repositories, made without any global configuration; a real registry; a Kubernetes API that knows some objects."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.release.agent_manifest import INITIAL_AGENT
from steps.release.model_pin import INITIAL
from steps.store.aliases import promote, set_candidate
from steps.store.registry import open_registry

PATH = "charts/environments/kind/model.yaml"
CLEAN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
_NUMBERS = itertools.count(1)
WHO = ("-c", "user.name=t", "-c", "user.email=t@t")


@pytest.fixture
def git():
    def run(folder, *arguments):
        done = subprocess.run(["git", *WHO, *arguments], cwd=folder, env=CLEAN, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def worktree(tmp_path, git):
    """An ordinary repository with pin, manifest and another file, on branch main."""
    folder = tmp_path / "fleet"
    (folder / PATH).parent.mkdir(parents=True)
    (folder / PATH).write_text(INITIAL.format(name="agent-model"))
    (folder / PATH).with_name("agent.yaml").write_text(INITIAL_AGENT.format(name="agent-model", version=0))
    (folder / "README.md").write_text("fleet\n")
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "start")
    return folder


@pytest.fixture
def bare(tmp_path, git, worktree):
    """A bare clone of the ordinary repository."""
    folder = tmp_path / "fleet.git"
    git(tmp_path, "clone", "-q", "--bare", str(worktree), str(folder))
    return folder


@pytest.fixture
def make_ctx(tmp_path):
    def make(repository="", **release):
        config = PipelineConfig.model_validate({"release": {"repository": str(repository), **release}})
        return StepContext(config=config, run_id="run-1", workdir=tmp_path / "work")

    return make


@pytest.fixture(scope="session")
def registry_uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def ctx(tmp_path, registry_uri):
    """Version 1 serves, version 2 is a pinned candidate."""
    from .served import pin

    values = {"model_name": f"released-{next(_NUMBERS)}", "registry": {"tracking_uri": registry_uri}}
    ctx = StepContext(PipelineConfig.model_validate(values), "run-1", tmp_path)
    client, name = open_registry(ctx.config, tmp_path), ctx.config.model_name
    client.ensure_model(name)
    for version in (1, 2):
        tags = {"ctp.uri": f"file:///m/{version}", "ctp.sha256": f"{version:064x}", "ctp.gate-phase": "Successful"}
        assert client.create_version(name, tags["ctp.uri"], tags, "card") == version
        pin(ctx, version)
    promote(client, name, 1, None)
    set_candidate(client, name, 2)
    return ctx


@pytest.fixture
def api(tmp_path, monkeypatch):
    """A Kubernetes API behind a real kubeconfig and the real client: `objects` is path -> document, `code` answers everything."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            path = self.path.partition("?")[0]
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            server.asked.append((self.command, self.path, self.headers.get("content-type"), json.loads(body) if body else None))
            found = server.objects.get(path)
            found = found() if callable(found) else found
            self.send_response(server.code or (200 if found is not None else 404))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {}).encode())

        do_GET = do_PATCH = answer

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.code, server.objects, server.asked = 0, {}, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
