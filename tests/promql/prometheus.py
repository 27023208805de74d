"""A real Prometheus over synthetic series or real exporters, for as long as a test needs it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from prometheus_api_client import PrometheusApiClientException, PrometheusConnect

from steps.cluster.process import bound_to_parent

from .series import NOW, Series, write_openmetrics

START_TIMEOUT_S = 30.0


def missing() -> str:
    """Why there is no Prometheus here; empty: there is one."""
    absent = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not installed: apt-get install prometheus, as `make test` does where it may" if absent else ""


class QueryError(Exception):
    """Prometheus refused a query, or does not answer."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def make_blocks(series: Iterable[Series], folder: Path) -> Path:
    """Write series as TSDB blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    text, data = folder / "series.om", folder / "data"
    write_openmetrics(series, text)
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)], check=True, capture_output=True, timeout=120
    )
    return data


class Prometheus:
    """A running server.

    Args:
        folder: for configuration, data and log.
        series: what its database holds.
        targets: job -> "host:port/path" that it scrapes every second.
        rules: files of recording and alerting rules.
    """

    def __init__(
        self, folder: Path, series: Iterable[Series] = (), targets: Mapping[str, str] | None = None, rules: Iterable[Path] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        held = list(series)
        data = make_blocks(held, folder) if held else folder / "data"
        config = folder / "prometheus.yml"
        jobs = [_job(name, target) for name, target in (targets or {}).items()]
        config.write_text(yaml.safe_dump({"scrape_configs": jobs, "rule_files": [str(path) for path in rules]}), encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        self._client = PrometheusConnect(self.url)
        self._log = (folder / "log").open("wb")
        command = [
            str(shutil.which("prometheus")),
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--log.level=warn",
        ]
        self.process = subprocess.Popen(bound_to_parent(command), stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL)
        self._wait(folder / "log")

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise QueryError(f"Prometheus ended at start: {log.read_text(encoding='utf-8')[-600:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        raise QueryError("Prometheus was not ready in time")

    def vector(self, query: str, at: float | None = NOW) -> list[tuple[dict[str, str], float]]:
        """An instant vector: (labels, value); `at` None: now by the clock.

        Raises:
            QueryError: the query is refused, is no vector, or nobody answers.
        """
        moment = {} if at is None else {"time": f"{at:.3f}"}
        try:
            answer = self._client.custom_query(query, params=moment)
        except (PrometheusApiClientException, OSError) as error:
            raise QueryError(str(error)) from None
        if not all(isinstance(item, dict) and "value" in item for item in answer):
            raise QueryError(f"{query}: not a vector")
        return [(item["metric"], float(item["value"][1])) for item in answer]

    def values(self, query: str, at: float | None = NOW) -> list[float]:
        """The values of an instant vector; what Rollouts calls `result`."""
        return [value for _, value in self.vector(query, at)]

    def wait_for(self, query: str, seconds: float = 20.0) -> None:
        """Wait until a query over scraped data returns something.

        Raises:
            QueryError: it does not in time.
        """
        deadline = time.monotonic() + seconds
        while not self.vector(query, None):
            if time.monotonic() > deadline:
                raise QueryError(f"{query}: no data after {seconds:g} s")
            time.sleep(0.2)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def _job(name: str, target: str) -> dict[str, Any]:
    address, _, path = target.removeprefix("http://").partition("/")
    return {
        "job_name": name,
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "metrics_path": f"/{path or 'metrics'}",
        "static_configs": [{"targets": [address]}],
    }
