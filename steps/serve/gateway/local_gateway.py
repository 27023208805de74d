"""The local gateway (`ctp serve gateway`): a real Envoy in front of stable and canary, and the handle that steers it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steps.cluster.process import watch_stdin as watch_standard_input
from steps.cluster.process import write_ports
from steps.contract.errors import ConfigError, PipelineError, TransientError
from steps.contract.files import write_json
from steps.serve.gateway.envoy import CLUSTERS, ROUTE_FILE, bootstrap, endpoint_of, endpoints, endpoints_file, route, weight_of
from steps.serve.gateway.envoy_process import EnvoyProcess, admin
from steps.serve.gateway.envoy_stats import GatewayStats, read_stats

APPLY_TIMEOUT_S = 10.0
_POLL_S = 0.02


class Gateway:
    """Handle of a running gateway: steers it through its files and reads its counters.

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
            lambda: f'"version_info": "{version}"' in admin(self.admin_port, "GET", "/config_dump?resource=dynamic_route_configs"),
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
        return read_stats(admin(self.admin_port, "GET", "/stats/prometheus?filter=^cluster\\.kube_"))

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.config_dir / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{self.config_dir / name}: no such file: start `ctp serve gateway` with this folder first") from None

    def _live_endpoints(self, name: str) -> list[str]:
        document = json.loads(admin(self.admin_port, "GET", "/clusters?format=json"))
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
        ports = proxy.wait_live()
        write_ports(port_file, port=ports["http"], admin_port=ports["admin"])
        while not stopping.wait(0.2):
            if proxy.child.poll() is not None:
                raise PipelineError(f"Envoy ended with code {proxy.child.returncode}: the lines above say why")
        proxy.drain(ports["admin"])
    finally:
        if proxy.child.poll() is None:
            proxy.kill()
