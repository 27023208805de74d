from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.main import get_command

from steps.cli.main import app
from steps.cluster.process import ServerProcess
from steps.contract.config import PipelineConfig
from steps.contract.errors import TransientError
from steps.contract.files import sha256_tree
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.gate import servers


@pytest.fixture
def ctx(tmp_path):
    return StepContext(config=PipelineConfig(), run_id="r", workdir=tmp_path)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return ArtifactRef(uri=folder.as_uri(), sha256=sha256_tree(folder))


@pytest.fixture
def loading():
    """A server that is busy loading for two looks, and has no route /health after that."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            self.send_error(503 if len(server.asked) <= server.busy else 404)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.busy = [], 2
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_given_urls_are_used_as_they_are_once_they_answer(ctx, model, loading, monkeypatch):
    monkeypatch.setattr(servers, "_POLL_S", 0.01)
    url = f"http://127.0.0.1:{loading.server_port}"
    given = {"champion": url, "candidate": f"{url}/v1"}
    with servers.model_urls({"champion": model, "candidate": model}, given, ctx) as urls:
        assert urls == given
    assert loading.asked == ["/health"] * 4


def test_a_given_server_that_never_comes_ends_the_gate(ctx, model, loading, monkeypatch):
    monkeypatch.setattr(servers, "_POLL_S", 0.01)
    hurried = ctx.config.model_copy(update={"gate": ctx.config.gate.model_copy(update={"server_start_s": 0.05})})
    loading.busy = 10**9
    for url, said in ((f"http://127.0.0.1:{loading.server_port}", "HTTP 503"), ("http://127.0.0.1:9", "URLError")):
        with (
            pytest.raises(TransientError, match=rf"the champion at {url} is not ready \({said}\)"),
            servers.model_urls({"champion": model}, {"champion": url}, StepContext(hurried, "r", ctx.workdir)),
        ):
            pass


def test_the_models_command_line_is_one_that_ctp_accepts(ctx, model, loading, monkeypatch):
    """No server is started: what would be is parsed by the real command line."""
    commands = []

    def note(self, timeout_s=60.0):
        commands.append(self.command)
        self._ports = {"port": 1}
        return self

    monkeypatch.setattr(ServerProcess, "start", lambda self: None)
    monkeypatch.setattr(ServerProcess, "wait_healthy", note)
    monkeypatch.setattr(servers, "_POLL_S", 0.01)
    given = f"http://127.0.0.1:{loading.server_port}"
    with servers.model_urls({"champion": model, "candidate": model}, {"champion": "", "candidate": given}, ctx) as urls:
        assert urls == {"champion": "http://127.0.0.1:1", "candidate": given}
    words = commands[0][commands[0].index("serve") + 2 :]
    parsed = get_command(app).get_command(None, "serve").commands["model"].make_context("model", words).params
    assert parsed["model"] == model.local_path()
    assert (parsed["served_model_name"], parsed["model_version"], parsed["spans_dir"]) == ("agent-model", "champion", None)
