"""The gateway of a cluster (`ctp serve gateway --http-route`): Envoy configured by HTTPRoutes and EndpointSlices.

For clusters without kgateway. Weights that Argo Rollouts writes into an
HTTPRoute, Services that it repoints and pods that come and go take effect while
requests run. While the API server is away, everything stays as it was last.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from steps.cluster.informer import Informer, api_client, lister
from steps.cluster.process import watch_stdin as watch_standard_input
from steps.cluster.process import write_ports
from steps.contract.errors import ConfigError, PipelineError, TransientError
from steps.contract.files import write_json
from steps.serve.gateway.envoy import ROUTE_FILE, ROUTE_NAME
from steps.serve.gateway.envoy_process import EnvoyProcess, admin
from steps.serve.gateway.kube_endpoints import Address, addresses, load_assignment
from steps.serve.gateway.kube_envoy import ADMIN_CLUSTER, CLUSTER_FILE, cluster_document, endpoints_path, kube_bootstrap
from steps.serve.gateway.kube_routes import Backend, backends, route_document

log = logging.getLogger("ctp.serve")

SYNC_TIMEOUT_S = 60.0
APPLY_TIMEOUT_S = 10.0
_POLL_S = 0.02
RouteName = tuple[str, str]


def parse_route_name(text: str) -> RouteName:
    """Split NAMESPACE/NAME.

    Raises:
        ConfigError: it is not that.
    """
    namespace, mark, name = text.partition("/")
    if not (mark and namespace and name) or "/" in name:
        raise ConfigError(f"--http-route {text!r} is not NAMESPACE/NAME, as in model-serving/agent-model")
    return namespace, name


class ClusterState:
    """Informers of some HTTPRoutes and of everything that they send to.

    Args:
        api: from `api_client`.
        routes: which HTTPRoutes.
        on_change: called after every change, in a thread of its own.
    """

    def __init__(self, api: Any, routes: Sequence[RouteName], on_change: Callable[[], None]) -> None:
        self._wanted = list(routes)
        self._kinds: dict[str, dict[str, Informer]] = {}
        for namespace in sorted({namespace for namespace, _ in routes}):

            def informer(group: str, version: str, plural: str, namespace: str = namespace) -> Informer:
                return Informer(f"{plural} of {namespace}", lister(api, group, version, plural, namespace), on_change)

            self._kinds[namespace] = {
                "routes": informer("gateway.networking.k8s.io", "v1", "httproutes"),
                "services": informer("", "v1", "services"),
                "slices": informer("discovery.k8s.io", "v1", "endpointslices"),
            }

    def start(self) -> None:
        """Follow, and wait until everything was listed once.

        Raises:
            AccessError, TransientError: the API server refuses or does not answer.
        """
        every = [informer for kinds in self._kinds.values() for informer in kinds.values()]
        for informer in every:
            informer.start()
        deadline = time.monotonic() + SYNC_TIMEOUT_S
        for informer in every:
            informer.wait_synced(max(1.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """Stop following."""
        for kinds in self._kinds.values():
            for informer in kinds.values():
                informer.stop()

    def routes(self) -> list[dict[str, Any]]:
        """The HTTPRoutes that exist."""
        by_namespace = {namespace: kinds["routes"].objects() for namespace, kinds in self._kinds.items()}
        return [by_namespace[namespace][name] for namespace, name in self._wanted if name in by_namespace[namespace]]

    def addresses(self, backend: Backend) -> list[Address]:
        """Addresses of a Service port as of now."""
        kinds = self._kinds[backend.namespace]
        return addresses(backend, kinds["services"].objects().get(backend.service), kinds["slices"].objects().values())


class EnvoyFiles:
    """Writer of Envoy's files, in an order in which no request meets what is not there yet.

    Clusters are only ever added: an old one costs nothing, and requests may still run on it.

    Args:
        config_dir: absolute folder of the documents.
    """

    def __init__(self, config_dir: Path) -> None:
        self._dir = config_dir
        self._endpoints: dict[str, list[Address]] = {}
        self._known: set[Backend] = set()
        self._rules: Any = None
        self.admin_port = 0

    def apply(self, state: ClusterState) -> None:
        """Bring Envoy's documents up to `state`; what is the same already is not written."""
        routes = state.routes()
        wanted = set(backends(routes))
        for backend in sorted(wanted | self._known):
            self._point(backend.cluster, state.addresses(backend))
        if not wanted <= self._known or not (self._dir / CLUSTER_FILE).exists():
            self._known |= wanted
            names = {backend.cluster for backend in self._known}
            write_json(self._dir / CLUSTER_FILE, cluster_document(self._dir, sorted(names), _fresh_version()))
            self._await("clusters", "dynamic_active_clusters", lambda shown: names <= {entry["cluster"]["name"] for entry in shown})
        version = _fresh_version()
        document = route_document(routes, ROUTE_NAME, version)
        if document["resources"] != self._rules:
            self._rules = document["resources"]
            write_json(self._dir / ROUTE_FILE, document)
            self._await("routes", "dynamic_route_configs", lambda shown: any(entry.get("version_info") == version for entry in shown))

    def start(self) -> None:
        """Write what must be there before Envoy starts."""
        write_json(endpoints_path(self._dir, ADMIN_CLUSTER), load_assignment(ADMIN_CLUSTER, [], _fresh_version()))

    def show_metrics(self, admin_port: int) -> None:
        """Tell the metrics listener where the admin interface is, and check changes there from now on."""
        self.admin_port = admin_port
        self._point(ADMIN_CLUSTER, [("127.0.0.1", admin_port)])

    def _point(self, cluster: str, addresses: list[Address]) -> None:
        if self._endpoints.get(cluster) != addresses:
            self._endpoints[cluster] = addresses
            write_json(endpoints_path(self._dir, cluster), load_assignment(cluster, addresses, _fresh_version()))

    def _await(self, what: str, resource: str, there: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until a running Envoy has taken a document."""
        if not self.admin_port:
            return
        deadline = time.monotonic() + APPLY_TIMEOUT_S
        while time.monotonic() < deadline:
            shown = json.loads(admin(self.admin_port, "GET", f"/config_dump?resource={resource}")).get("configs", [])
            if there(shown):
                return
            time.sleep(_POLL_S)
        log.warning("Envoy did not take the new %s within %g s: it goes on with the old ones", what, APPLY_TIMEOUT_S)


def _fresh_version() -> str:
    return str(time.time_ns())


def serve_kube_gateway(
    port: int,
    *,
    config_dir: Path,
    http_routes: Sequence[str],
    host: str = "127.0.0.1",
    admin_port: int = 0,
    metrics_port: int = 9091,
    port_file: Path | None = None,
    watch_stdin: bool = False,
    threads: int = 1,
) -> None:
    """Run the gateway until told to stop.

    Args:
        port: of the listener; 0 takes a free one.
        config_dir: folder for Envoy's documents.
        http_routes: NAMESPACE/NAME of the HTTPRoutes to follow; one that does not exist yet is waited for.
        host: address to listen on.
        admin_port: of Envoy's admin interface, on the loopback; 0 takes a free one.
        metrics_port: `GET /metrics` there shows Envoy's counters.
        port_file: where the ports are written: `port`, `metrics_port`, `admin_port`.
        watch_stdin: end when standard input closes.
        threads: worker threads of Envoy.

    Raises:
        ConfigError: no Envoy, no Kubernetes API, or a malformed route name.
        AccessError, TransientError: the API server refuses or does not answer at the start.
        PipelineError: Envoy ended by itself.
    """
    names = [parse_route_name(text) for text in http_routes]
    stopping, changed = threading.Event(), threading.Event()
    wake = changed.set

    def stop(*_: object) -> None:
        stopping.set()
        wake()

    if watch_stdin:
        watch_standard_input(stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    folder = config_dir.resolve()
    state, files = ClusterState(api_client(), names, wake), EnvoyFiles(folder)
    state.start()
    files.start()
    files.apply(state)
    write_json(folder / "bootstrap.json", kube_bootstrap(folder, host, port, admin_port, metrics_port))
    proxy = EnvoyProcess(folder, threads)
    try:
        ports = proxy.wait_live()
        files.show_metrics(ports["admin"])
        write_ports(port_file, port=ports["http"], metrics_port=ports["metrics"], admin_port=ports["admin"])
        while not stopping.is_set():
            changed.wait(0.2)
            if proxy.child.poll() is not None:
                raise PipelineError(f"Envoy ended with code {proxy.child.returncode}: the lines above say why")
            if changed.is_set() and not stopping.is_set():
                changed.clear()
                _apply(files, state)
        proxy.drain(ports["admin"])
    finally:
        state.stop()
        if proxy.child.poll() is None:
            proxy.kill()


def _apply(files: EnvoyFiles, state: ClusterState) -> None:
    """Apply what changed; an object that nobody can read leaves everything as it was."""
    try:
        files.apply(state)
    except (KeyError, TypeError, ValueError, TransientError) as error:
        log.warning("a change was not applied (%s): the routes stay as they were", type(error).__name__)
