"""One real Prometheus over everything synthetic, and where a test wants another, a factory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import scenarios
from .prometheus import Prometheus, missing


@pytest.fixture(scope="session")
def start_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Prometheus]]:
    """Start one with the arguments of `Prometheus` but its folder; all are ended with the session."""
    why = missing()
    if why:
        pytest.skip(why)
    started: list[Prometheus] = []

    def start(**options: object) -> Prometheus:
        started.append(Prometheus(tmp_path_factory.mktemp("prometheus"), **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for prometheus in started:
        prometheus.stop()


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def prometheus(start_prometheus: Callable[..., Prometheus]) -> Prometheus:
    """Every scenario of `scenarios`, told apart by the names of their versions."""
    return start_prometheus(series=scenarios.all_series())


@pytest.fixture(scope="session")
def observed(start_prometheus: Callable[..., Prometheus], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a healthy environment and evaluates production's rules every second."""
    import threading
    import time
    from datetime import UTC, datetime
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from .observed import exposition, healthy
    from .test_rules import rule_files

    began = time.time()
    series = healthy(began, float(datetime.now(UTC).month))

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(series, time.time() - began).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        rules = rule_files("production", tmp_path_factory.mktemp("rules"), interval="1s")
        prometheus = start_prometheus(targets={"page": f"127.0.0.1:{server.server_address[1]}"}, rules=rules.values())
        # The end of the longest chain of rules, and what needs two samples of it.
        for last in ("ctp:gpu_cost_usd:per_sample", "ctp:budget_used:ratio", "ctp:faithfulness:mean_7d", "ctp:serving_errors:ratio_rate5m"):
            prometheus.wait_for(last, 40)
        yield prometheus
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
