"""`ctp serve quality`: live answers of each model version, scored by the gate's judge, as Prometheus counters.

Sums, sums of squares and counts are exported, so that whoever asks computes mean and
spread over a window of their own. What cannot be scored is counted by reason and never
guessed; text that a gate refuses never reaches the judge. Spans come from files that
grow, or from a collector over OTLP/HTTP, or both.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.errors import ConfigError, PipelineError
from steps.govern.gates import claims_gates, pii_gate
from steps.scoring.metrics import Scorer
from steps.serve.lifecycle import Lifecycle, as_failure, listening, run_http
from steps.serve.quality.counters import METRICS, Budget, QualityCounters, Version
from steps.serve.quality.live_traces import LiveTrace, LiveTraces, SpanTail
from steps.serve.quality.otlp_receiver import OtlpReceiver

if TYPE_CHECKING:
    from aiohttp import web

    from steps.chat.trace import Trace
    from steps.contract.config import GovernConfig, PipelineConfig
    from steps.scoring.metrics import Scorer

log = logging.getLogger("ctp.serve")

POLL_S = 0.2
MAX_QUEUED = 512
# Spans of one trace lie in files at nearly the same time; a collector sends them in batches of several services.
FILES_QUIET_S, OTLP_QUIET_S = 0.3, 15.0
_LOG_EVERY_S = 30.0


def admit(trace: Trace, config: GovernConfig) -> str:
    """Pass a trace through the pipeline's own gates, masking it in place.

    Returns:
        "" when its text may go to the judge, else the status under which it is counted.
    """
    if trace.status != "ok":
        return "error"
    refusal = claims_gates(trace, config)
    if refusal is not None:
        return f"refused_{refusal.gate}"
    stopped = any(decision.action == "stopped" for decision in pii_gate(trace, config))
    return "refused_pii" if stopped else ""


class QualityMonitor:
    """Takes whole traces, keeps the budget, and scores in the background.

    Args:
        config: gates and model name.
        counters: where everything is counted.
        budget: how many traces a second and version are scored.
        score: `Scorer.score` of an entered scorer.
    """

    def __init__(self, config: PipelineConfig, counters: QualityCounters, budget: Budget, score: Callable[..., Any]) -> None:
        self._config, self._counters, self._budget, self._score = config, counters, budget, score
        self._queue: asyncio.Queue[tuple[Version, Trace]] = asyncio.Queue(MAX_QUEUED)
        self._logged = float("-inf")

    def take(self, outcome: LiveTrace | str) -> None:
        """Count one trace, and queue it for scoring if it may be and the budget allows."""
        if isinstance(outcome, str):
            self._counters.skipped(("", "", ""), outcome.replace("-", "_"))
            return
        trace = outcome.trace
        version = (trace.model, trace.model_version, outcome.pod_template_hash)
        if trace.feedback is not None and trace.consent in ("train", "eval"):
            self._counters.feedback(version, trace.feedback)
        status = admit(trace, self._config.govern)
        if not status and (self._queue.full() or not self._budget.take(version)):
            status = "over_budget"
        if status:
            self._counters.skipped(version, status)
        else:
            self._queue.put_nowait((version, trace))

    async def work(self) -> None:
        """Score queued traces for ever; run as many of these as the judge takes requests."""
        while True:
            version, trace = await self._queue.get()
            try:
                scores = await self._score(trace.question, trace.contexts, trace.answer)
            except PipelineError as error:
                self._counters.skipped(version, "judge_error")
                self._complain(error)
                continue
            values = {name: getattr(scores, name) for name in METRICS}
            if all(score is None for score in values.values()):
                self._counters.skipped(version, "judge_error" if scores.judge_failed else "unscored")
            else:
                self._counters.scored(version, values)

    def _complain(self, error: PipelineError) -> None:
        now = time.monotonic()
        if now - self._logged >= _LOG_EVERY_S:
            self._logged = now
            log.warning("an answer could not be scored: %s: %s", error.headline, error)


async def _follow(tail: SpanTail, traces: LiveTraces, monitor: QualityMonitor) -> None:
    """Read, assemble, hand over; for ever."""
    while True:
        traces.add(await asyncio.to_thread(tail.poll))
        for trace in traces.whole():
            monitor.take(trace)
        await asyncio.sleep(POLL_S)


def serve_quality(
    config: PipelineConfig,
    port: int,
    spans_dirs: Sequence[Path] = (),
    *,
    otlp_port: int | None = None,
    host: str = "127.0.0.1",
    metrics: Sequence[str] = METRICS,
    max_per_s: float = 20.0,
    max_per_version: int = 0,
    quiet_s: float | None = None,
    replay: bool = False,
    port_file: Path | None = None,
    watch_stdin: bool = False,
) -> None:
    """Serve `/metrics` over the answers that appear in span files or come over OTLP, until told to stop.

    Args:
        config: its `gate_judge` (with `base_url`) scores, its `govern` block decides what may be scored.
        port: 0 takes a free one.
        spans_dirs: folders (or files) of OTLP JSON lines, of the app and of the model servers.
        otlp_port: takes `POST /v1/traces` there; 0 takes a free one, None: no receiver.
        host: address to listen on.
        metrics: what is scored: faithfulness, answer_relevancy.
        max_per_s: traces scored a second, for each version.
        max_per_version: traces scored in all, for each version; 0: no bound.
        quiet_s: a trace with its root is whole when no span came for so long; None: 0.3, with `otlp_port` 15.
        replay: count what is in the files already, too.
        port_file: where the real ports are written, `port` and `otlp_port`.
        watch_stdin: end when standard input closes.

    Raises:
        ConfigError: no judge URL, neither files nor receiver, an unknown metric, or a port is taken.
    """
    if not config.gate_judge.base_url:
        raise ConfigError(
            "gate_judge.base_url is empty: the quality exporter needs a running judge: set it, as in http://127.0.0.1:8001/v1"
        )
    if not spans_dirs and otlp_port is None:
        raise ConfigError("the quality exporter sees no spans: give --spans-dir, --otlp-port or both")
    if unknown := set(metrics) - set(METRICS):
        raise ConfigError(f"--metric {sorted(unknown)[0]!r} is not exported: use {' or '.join(METRICS)}")
    from prometheus_client import CollectorRegistry

    counters = QualityCounters()
    registry = CollectorRegistry()
    registry.register(counters)
    tail = SpanTail([Path(place) for place in spans_dirs], replay=replay)
    quiet = (FILES_QUIET_S if otlp_port is None else OTLP_QUIET_S) if quiet_s is None else quiet_s
    traces = LiveTraces(quiet_s=quiet, wait_s=max(10.0, 3 * quiet))

    async def make_app(life: Lifecycle) -> web.Application:
        from aiohttp import web

        app = web.Application()
        app.router.add_get("/metrics", lambda _: _exposition(registry))
        app.router.add_get("/health", lambda _: _health(life))
        scorer = Scorer(config.gate_judge, metrics=tuple(metrics))
        budget = Budget(max_per_s, max_per_version)
        app.cleanup_ctx.append(lambda _: _run(life, scorer, config, counters, tail, traces, budget))
        if otlp_port is not None:
            receiver = OtlpReceiver(traces.add, lambda: traces.full)
            app.cleanup_ctx.append(lambda _: listening(life, receiver.app(), "otlp_port", host, otlp_port))
        return app

    run_http(make_app, port=port, host=host, port_file=port_file, watch_stdin=watch_stdin, drain_s=2.0)


async def _run(
    life: Lifecycle,
    scorer: Scorer,
    config: PipelineConfig,
    counters: QualityCounters,
    tail: SpanTail,
    traces: LiveTraces,
    budget: Budget,
) -> Any:
    """The background tasks, from the start of the application to its end."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            life.stop(as_failure(task.exception() or RuntimeError(), "following the spans"))

    async with scorer:
        monitor = QualityMonitor(config, counters, budget, scorer.score)
        workers = max(1, config.gate_judge.concurrency // 4)
        tasks = [asyncio.create_task(_follow(tail, traces, monitor)), *(asyncio.create_task(monitor.work()) for _ in range(workers))]
        for task in tasks:
            task.add_done_callback(ended)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _exposition(registry: Any) -> web.Response:
    from aiohttp import web
    from prometheus_client import generate_latest

    return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def _health(life: Lifecycle) -> web.Response:
    from aiohttp import web

    return web.Response(status=503 if life.draining else 200)
