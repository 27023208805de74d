from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError, DataError
from steps.laptop.visitors import visit


class Answering(BaseHTTPRequestHandler):
    """Versions take turns; every eighth request fails."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.asked += 1
        try:
            well_formed = json.loads(body)["messages"] and json.loads(body)["model"] == "agent-model"
        except ValueError:
            well_formed = False
        status = 400 if not well_formed else 500 if server.asked % 8 == 0 else 200
        data = json.dumps({"choices": [{"message": {"content": "8443."}}]}).encode()
        self.send_response(status)
        self.send_header("x-model-version", str(3 + server.asked % 2))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[str]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.asked, server.daemon_threads = 0, True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_users_ask_a_running_gateway_and_count_what_they_see(gateway: str, tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text('{"seed": 0}')
    tally = visit(PipelineConfig(), tmp_path, gateway=gateway, to=tmp_path / "raw", name="t", seconds=1, users=3, pause_s=0.01)
    assert tally["sent"] == tally["answered"] + tally["errors"] + tally["broken"] > 15
    assert 0 < tally["errors"] < tally["answered"] / 4
    assert set(tally["by_version"]) == {"3", "4"} and sum(tally["by_version"].values()) == tally["answered"]
    assert tally["p99_ms"] > 0
    written = [line for path in (tmp_path / "raw").glob("agent-app-*.jsonl") for line in path.read_text().splitlines()]
    assert len(written) >= tally["sent"]


def test_a_folder_without_a_world_and_a_bad_url_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run ctp bootstrap"):
        visit(PipelineConfig(), tmp_path, gateway="http://x:1", to=tmp_path, name="t", seconds=1, users=1, pause_s=0)
    with pytest.raises(ConfigError, match="is no URL"):
        visit(PipelineConfig(), tmp_path, gateway="x:1", to=tmp_path, name="t", seconds=1, users=1, pause_s=0)
