from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from steps.cluster.process import ServerProcess
from steps.contract.errors import ConfigError
from steps.serve.gateway.local_gateway import Gateway

NAMED = """
import asyncio, sys
from pathlib import Path
from aiohttp import web
from steps.serve.lifecycle import run_http
options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)

async def answer(request):
    await request.read()
    await asyncio.sleep(0.01)
    return web.json_response({"name": options["name"]})

async def health(request):
    return web.Response()

async def make_app(life):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/health", health)
    return app

run_http(make_app, port=0, port_file=Path(options["port-file"]), watch_stdin=True)
"""
PARENT = """
import sys, time
from pathlib import Path
from steps.cluster.process import ServerProcess
server = ServerProcess("gateway", {"config_dir": sys.argv[1], "stable": "127.0.0.1:9"}, log_file=Path(sys.argv[1], "log"))
print(server.wait_healthy(30).pid, flush=True)
time.sleep(60)
"""


def named(name: str, folder: Path) -> ServerProcess:
    return ServerProcess("named", {"name": name}, log_file=folder / f"{name}.log", command=[sys.executable, "-c", NAMED])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServerProcess]]:
    folder = tmp_path_factory.mktemp("named")
    with named("a", folder) as a, named("b", folder) as b, named("c", folder) as c:
        yield {name: server.wait_healthy(30) for name, server in (("a", a), ("b", b), ("c", c))}


@pytest.fixture
def front(servers: dict[str, ServerProcess], tmp_path: Path) -> Iterator[tuple[ServerProcess, Gateway]]:
    options = {"config_dir": tmp_path / "gateway", "stable": servers["a"].host_port}
    with ServerProcess("gateway", options, log_file=tmp_path / "log") as server:
        server.wait_healthy(30)
        yield server, Gateway(tmp_path / "gateway", server.ports["admin_port"])


class Load:
    """Clients that ask all the time; `seen` holds (status, name) of every answer."""

    def __init__(self, url: str, clients: int = 8) -> None:
        self.url, self.seen, self._stop = url, Counter[tuple[int, str]](), threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        self._jobs = [self._pool.submit(self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            with urllib.request.urlopen(f"{self.url}/v1/chat/completions", data=b"{}", timeout=10) as response:
                self.seen[(response.status, json.loads(response.read())["name"])] += 1

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for job in self._jobs:
            job.result()

    def wait_for(self, more: int) -> None:
        target = self.seen.total() + more
        deadline = time.monotonic() + 20
        while self.seen.total() < target:
            for job in self._jobs:
                if job.done():
                    job.result()
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_no_request_fails_while_weights_change_and_endpoints_move(
    front: tuple[ServerProcess, Gateway], servers: dict[str, ServerProcess]
) -> None:
    server, gateway = front
    with Load(server.url) as load:
        load.wait_for(50)
        assert {name for _, name in load.seen} == {"a"}
        gateway.set_endpoint("canary", servers["b"].host_port)
        for weight in (25, 100, 5, 50):
            gateway.set_weight(weight)
            load.wait_for(60)
        gateway.set_endpoint("stable", servers["c"].host_port)
        load.wait_for(100)
        gateway.set_weight(0)
        gateway.set_endpoint("canary", None)
        load.wait_for(16)
        before = load.seen.copy()
        load.wait_for(100)
        late = load.seen - before
    assert set(load.seen) == {(200, "a"), (200, "b"), (200, "c")}
    assert load.seen.total() >= 500
    assert {name for _, name in late} == {"c"}


def test_an_old_server_that_drains_after_the_move_fails_nobody(
    front: tuple[ServerProcess, Gateway], servers: dict[str, ServerProcess], tmp_path: Path
) -> None:
    server, gateway = front
    with named("old", tmp_path) as old:
        gateway.set_endpoint("stable", old.wait_healthy(30).host_port)
        with Load(server.url) as load:
            load.wait_for(60)
            gateway.set_endpoint("stable", servers["a"].host_port)
            assert old.stop() == 0
            load.wait_for(60)
    assert set(load.seen) == {(200, "old"), (200, "a")}


def test_counters_give_share_errors_and_latency(front: tuple[ServerProcess, Gateway], servers: dict[str, ServerProcess]) -> None:
    server, gateway = front
    gateway.set_endpoint("canary", servers["b"].host_port)
    gateway.set_weight(50)
    start = gateway.snapshot()
    with Load(server.url) as load:
        load.wait_for(200)
    time.sleep(0.5)
    window = gateway.snapshot().since(start)
    assert window.stable.requests == load.seen[(200, "a")]
    assert window.canary.requests == window.canary.ok == load.seen[(200, "b")]
    assert window.canary_share == pytest.approx(0.5, abs=0.2)
    assert window.canary.error_ratio == 0
    assert window.canary.p99_ms is not None
    assert 10 <= window.canary.p99_ms < 2000


def test_a_dead_canary_shows_as_errors(front: tuple[ServerProcess, Gateway]) -> None:
    server, gateway = front
    gateway.set_endpoint("canary", "127.0.0.1:9")
    gateway.set_weight(100)
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        urllib.request.urlopen(f"{server.url}/v1/chat/completions", data=b"{}", timeout=10)
    caught.value.close()
    assert gateway.snapshot().canary.errors == 1


def test_changes_that_would_lose_requests_are_refused(front: tuple[ServerProcess, Gateway], servers: dict[str, ServerProcess]) -> None:
    _, gateway = front
    with pytest.raises(ConfigError, match="needs a canary endpoint"):
        gateway.set_weight(5)
    with pytest.raises(ConfigError, match="stable gets traffic"):
        gateway.set_endpoint("stable", None)
    with pytest.raises(ConfigError, match="neither stable nor canary"):
        gateway.set_endpoint("other", None)
    gateway.set_endpoint("canary", servers["b"].host_port)
    gateway.set_weight(5)
    with pytest.raises(ConfigError, match="canary gets traffic"):
        gateway.set_endpoint("canary", None)
    assert (gateway.weight, gateway.endpoint("canary")) == (5, servers["b"].host_port)


def test_a_model_streams_through_the_gateway(front: tuple[ServerProcess, Gateway], running: Any) -> None:
    server, gateway = front
    gateway.set_endpoint("stable", running.server.host_port)
    body = {"messages": [{"role": "user", "content": "Aurora"}], "stream": True, "max_tokens": 5}
    with urllib.request.urlopen(f"{server.url}/v1/chat/completions", data=json.dumps(body).encode(), timeout=30) as response:
        assert response.headers["x-model-version"] == "7"
        assert response.read().endswith(b"data: [DONE]\n\n")


def test_a_gateway_needs_a_canary_for_a_weight(tmp_path: Path) -> None:
    options = {"config_dir": tmp_path, "stable": "127.0.0.1:9", "canary_percent": 5}
    with ServerProcess("gateway", options, log_file=tmp_path / "log") as server, pytest.raises(ConfigError, match="needs --canary"):
        server.wait_healthy(30)


def test_envoy_dies_with_whoever_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        wrapper = psutil.Process(int(parent.stdout.readline()))
        (envoy,) = wrapper.children()
        assert "envoy" in envoy.name()
        parent.kill()
    _, alive = psutil.wait_procs([wrapper, envoy], timeout=10)
    assert alive == []


def test_envoy_dies_with_a_killed_wrapper(front: tuple[ServerProcess, Gateway]) -> None:
    server, _ = front
    wrapper = psutil.Process(server.pid)
    (envoy,) = wrapper.children()
    wrapper.kill()
    _, alive = psutil.wait_procs([envoy], timeout=10)
    assert alive == []
