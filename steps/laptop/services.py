"""The servers of the embedded loop: judge, models, gateway, quality exporter; started when first needed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from steps.cluster.process import ServerProcess
from steps.contract.config import PipelineConfig
from steps.contract.files import write_json
from steps.contract.refs import ModelRef
from steps.scoring.offline_judge import offline_judge, with_url
from steps.serve.quality.counters import METRICS


class Services:
    """Child processes of one loop. All end with this process, however it dies.

    Args:
        workdir: logs go to `workdir/logs`, spans to `workdir/spool`.
    """

    def __init__(self, config: PipelineConfig, workdir: Path) -> None:
        self.config = config
        self.logs = workdir / "logs"
        self.spool = workdir / "spool"
        self.gateway_dir = workdir / "gateway"
        self._running: dict[str, ServerProcess] = {}

    def _server(self, name: str, make: Callable[..., ServerProcess]) -> ServerProcess:
        """The running server called `name`; `make(log_file=…)` gives a new one where none runs."""
        known = self._running.get(name)
        if known is None or not known.is_running():
            self._running[name] = known = make(log_file=self.logs / f"{name}.log")
            known.start()
        return known

    def with_judges(self, config: PipelineConfig) -> PipelineConfig:
        """The configuration with the embedded judge's URL where none is given."""
        updates = {}
        for name in ("reward_judge", "gate_judge"):
            judge = getattr(config, name)
            if not judge.base_url:
                updates[name] = with_url(judge, self._server("judge", offline_judge))
        return config.model_copy(update=updates)

    def model(self, name: str, path: Path, version: str) -> ServerProcess:
        """A model server (`stable` or `canary`); it loads in the background until `wait_healthy`."""
        options = {
            "model": path,
            "served_model_name": self.config.model_name,
            "model_version": version,
            "spans_dir": self.spool,
        }
        return self._server(name, partial(ServerProcess, "model", options))

    def open_gateway(self, stable: Path, version: ModelRef) -> ServerProcess:
        """The gateway with this model behind it, and no canary."""
        server = self.model("stable", stable, str(version.version)).wait_healthy(120)
        options = {"config_dir": self.gateway_dir, "stable": server.host_port}
        return self._server("gateway", partial(ServerProcess, "gateway", options)).wait_healthy()

    def open_quality(self) -> ServerProcess:
        """The exporter that scores live answers with the gate's judge."""
        config = self.with_judges(self.config)
        # The exporter is told where the embedded judge listens by an ordinary configuration file.
        path = self.logs / "quality-config.json"
        write_json(path, config.model_dump(mode="json"))
        metrics = [metric for metric in METRICS if metric in config.canary.questions] or ["faithfulness"]
        options = {"config": path, "spans_dir": self.spool, "metric": metrics}
        return self._server("quality", partial(ServerProcess, "quality", options)).wait_healthy()

    def stop(self, *names: str) -> None:
        """Drain and end these servers."""
        for name in names:
            server = self._running.pop(name, None)
            if server is not None:
                server.stop()

    def stop_all(self) -> None:
        """Drain and end every server, the gateway first so that nothing is routed to a closed door."""
        order = ("gateway", "quality", "canary", "stable", "judge")
        self.stop(*order, *(name for name in list(self._running) if name not in order))

    def check(self) -> None:
        """Raise what a server that died by itself left as its reason."""
        for server in self._running.values():
            server.check()

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.stop_all()
