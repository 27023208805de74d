"""The gateway of clusters, live: a real Envoy, real HTTP servers as pods, and an API server that speaks list and watch."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.errors import AccessError, ConfigError
from steps.serve.gateway.kube_endpoints import SERVICE_LABEL
from steps.serve.gateway.kube_gateway import parse_route_name

from .kube_api import KubeApi

NS = "training-pipeline"
POD = """
import asyncio, sys
from pathlib import Path
from aiohttp import web
from steps.serve.lifecycle import run_http
options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)

async def answer(request):
    await request.read()
    await asyncio.sleep(0.02)
    return web.json_response({"name": options["name"]})

async def health(request):
    return web.Response()

async def make_app(life):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/health", health)
    return app

run_http(make_app, port=0, port_file=Path(options["port-file"]), watch_stdin=True, settle_s=float(options.get("settle-s", 0.25)))
"""


def started_pod(name: str, folder: Path, **options: Any) -> ServerProcess:
    return ServerProcess("pod", {"name": name, **options}, log_file=folder / f"{name}.log", command=[sys.executable, "-c", POD])


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServerProcess]]:
    folder = tmp_path_factory.mktemp("pods")
    with started_pod("old", folder) as old, started_pod("new", folder) as new:
        yield {"old": old.wait_healthy(30), "new": new.wait_healthy(30)}


def point(api: KubeApi, service: str, *pods: tuple[ServerProcess, bool]) -> None:
    """The EndpointSlice of a Service, one slice a pod because their ports differ; (pod, ready)."""
    for number in range(3):
        name = f"{service}-{number}"
        if number < len(pods):
            pod, ready = pods[number]
            conditions = {"ready": ready, "serving": True, "terminating": not ready}
            api.put(
                "endpointslices",
                name,
                metadata={"labels": {SERVICE_LABEL: service}},
                addressType="IPv4",
                ports=[{"name": "http", "port": pod.ports["port"]}],
                endpoints=[{"addresses": ["127.0.0.1"], "conditions": conditions}],
            )
        elif name in api.objects["endpointslices"]:
            api.delete("endpointslices", name)


def weigh(api: KubeApi, canary: int) -> None:
    references = [("agent-model-stable", 100 - canary), ("agent-model-canary", canary)]
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
        "backendRefs": [{"name": name, "port": 8000, "weight": weight} for name, weight in references],
    }
    api.put("httproutes", "agent-model", spec={"rules": [rule]})


@pytest.fixture
def api(tmp_path: Path, pods: dict[str, ServerProcess]) -> Iterator[KubeApi]:
    with KubeApi(NS) as server:
        for service in ("agent-model-stable", "agent-model-canary"):
            server.put("services", service, spec={"ports": [{"name": "http", "port": 8000, "targetPort": "http"}]})
        tester = {
            "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}, "headers": [{"name": "x-ctp-tester", "value": "canary"}]}],
            "backendRefs": [{"name": "agent-model-canary", "port": 8000, "weight": 1}],
        }
        server.put("httproutes", "agent-model-testers", spec={"rules": [tester]})
        point(server, "agent-model-stable", (pods["old"], True))
        point(server, "agent-model-canary", (pods["new"], True))
        weigh(server, 0)
        yield server


def gateway(api: KubeApi, folder: Path) -> ServerProcess:
    options = {
        "config_dir": folder / "gateway",
        "http_route": [f"{NS}/agent-model", f"{NS}/agent-model-testers"],
        "metrics_port": 0,
    }
    environment = {"KUBECONFIG": str(api.kubeconfig(folder / "kubeconfig"))}
    return ServerProcess("gateway", options, log_file=folder / "gateway.log", environment=environment)


@pytest.fixture
def front(api: KubeApi, tmp_path: Path) -> Iterator[ServerProcess]:
    with gateway(api, tmp_path) as server:
        yield server.wait_healthy(60)
        assert "Traceback" not in server.log_file.read_text()


def ask(url: str, tester: bool = False) -> str:
    headers = {"x-ctp-tester": "canary"} if tester else {}
    request = urllib.request.Request(f"{url}/v1/chat/completions", data=b"{}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(json.loads(response.read())["name"])


class Users:
    """Clients that ask all the time; the first failed request fails the test."""

    def __init__(self, url: str, clients: int = 6) -> None:
        self.url, self.seen, self._stop = url, Counter[str](), threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        self._jobs = [self._pool.submit(self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            self.seen[ask(self.url)] += 1

    def __enter__(self) -> Users:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for job in self._jobs:
            job.result()

    def next(self, number: int) -> Counter[str]:
        """Who answered the next requests."""
        before = self.seen.copy()
        deadline = time.monotonic() + 20
        while self.seen.total() < before.total() + number:
            for job in self._jobs:
                if job.done():
                    job.result()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.seen - before

    def until_only(self, name: str) -> float:
        """Wait until only this one answers; seconds that took."""
        began = time.monotonic()
        while set(self.next(30)) != {name}:
            assert time.monotonic() < began + 20
        return time.monotonic() - began


def test_a_canary_goes_up_and_back_without_a_lost_request(api: KubeApi, front: ServerProcess) -> None:
    with Users(front.url) as users:
        assert set(users.next(40)) == {"old"}
        assert ask(front.url, tester=True) == "new", "testers reach the canary at weight 0"
        for weight in (25, 50):
            weigh(api, weight)
            users.next(20)
            share = users.next(200)["new"] / 200
            assert share == pytest.approx(weight / 100, abs=0.17)
        weigh(api, 100)
        users.until_only("new")
        weigh(api, 0)
        users.until_only("old")


def test_a_repointed_service_takes_effect_at_once(api: KubeApi, front: ServerProcess, pods: dict[str, ServerProcess]) -> None:
    """What an abort does first: the canary's Service selects the stable pods."""
    weigh(api, 100)
    with Users(front.url) as users:
        users.until_only("new")
        point(api, "agent-model-canary", (pods["old"], True))
        users.until_only("old")


def test_a_pod_that_ends_under_load_loses_no_request(
    api: KubeApi, front: ServerProcess, pods: dict[str, ServerProcess], tmp_path: Path
) -> None:
    """It goes on serving for a while after SIGTERM: the word that it leaves takes time to reach the gateway."""
    with started_pod("leaving", tmp_path, settle_s=1.5) as leaving:
        point(api, "agent-model-stable", (leaving.wait_healthy(30), True), (pods["old"], True))
        with Users(front.url) as users:
            while users.next(20)["leaving"] == 0:
                pass
            stopper = threading.Thread(target=leaving.stop)
            stopper.start()
            time.sleep(0.8)
            point(api, "agent-model-stable", (pods["old"], True), (leaving, False))
            stopper.join()
            point(api, "agent-model-stable", (pods["old"], True))
            assert set(users.next(40)) == {"old"}


def test_a_pod_that_dies_is_asked_no_second_time(
    api: KubeApi, front: ServerProcess, pods: dict[str, ServerProcess], tmp_path: Path
) -> None:
    """Its port refuses connections before anybody says that it is not ready: another pod answers."""
    with started_pod("dead", tmp_path) as dead:
        dead.wait_healthy(30)
    point(api, "agent-model-stable", (pods["old"], True), (dead, True))
    with Users(front.url) as users:
        assert set(users.next(60)) == {"old"}


def test_the_api_server_may_be_away(api: KubeApi, front: ServerProcess) -> None:
    for plural in ("httproutes", "services", "endpointslices"):
        api.refuse[plural] = 503
    api.hang_up()
    with Users(front.url) as users:
        assert set(users.next(60)) == {"old"}
        weigh(api, 100)
        api.refuse.clear()
        assert users.until_only("new") < 15


def test_a_route_that_is_deleted_answers_404_and_a_bad_one_500(api: KubeApi, front: ServerProcess) -> None:
    api.put("httproutes", "agent-model", spec={"rules": [{"backendRefs": [{"name": "x", "port": 1, "weight": 0}]}]})
    assert status_becomes(front.url, 500)
    api.delete("httproutes", "agent-model")
    assert status_becomes(front.url, 404)
    assert ask(front.url, tester=True) == "new"


def status_becomes(url: str, status: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            ask(url)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == status:
                    return True
        time.sleep(0.05)
    return False


def test_prometheus_reads_the_counters_and_nothing_else_of_the_admin_interface(api: KubeApi, front: ServerProcess, http: Any) -> None:
    for _ in range(3):
        ask(front.url)
    base = f"http://127.0.0.1:{front.ports['metrics_port']}"
    deadline = time.monotonic() + 10
    cluster = f'envoy_cluster_name="kube_{NS}_agent-model-stable_8000"'
    wanted = (
        f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="2",{cluster}}} 3',
        f'envoy_cluster_upstream_rq_time_bucket{{{cluster},le="+Inf"}} 3',
    )
    while not all(line in (text := http.get(f"{base}/metrics")[1]) for line in wanted):
        assert time.monotonic() < deadline, text[:2000]
        time.sleep(0.1)
    for path in ("/", "/stats", "/config_dump", "/quitquitquit", "/metrics/../quitquitquit", "/metrics/"):
        assert http.get(base + path)[0] == 404, path


def test_an_account_without_rights_is_told_so(api: KubeApi, tmp_path: Path) -> None:
    api.refuse["endpointslices"] = 403
    with gateway(api, tmp_path) as server, pytest.raises(AccessError, match=f"endpointslices of {NS}: .*let this service account"):
        server.wait_healthy(60)


def test_a_route_name_has_two_parts() -> None:
    assert parse_route_name("a/b") == ("a", "b")
    for text in ("a", "/b", "a/", "a/b/c"):
        with pytest.raises(ConfigError, match="is not NAMESPACE/NAME"):
            parse_route_name(text)
