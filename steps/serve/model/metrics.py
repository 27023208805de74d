"""Prometheus metrics of the model server, under vLLM's names, labels and bucket bounds.

One set of queries, alerts and analysis templates then serves this server and vLLM.

Source:
    vllm/v1/metrics/loggers.py of https://github.com/vllm-project/vllm (read at commit 005a810).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from steps.serve.model.rows import Row

FIRST_TOKEN_BOUNDS_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
TOKEN_BOUNDS_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
REQUEST_BOUNDS_S = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
FINISH_REASONS = ("stop", "length", "abort", "error")


class EngineMetrics:
    """Counters of the engine and of the HTTP server. Every series exists from the start.

    Args:
        model_name: label `model_name`.
        engine: label `engine`, the index of the data-parallel replica.
    """

    def __init__(self, model_name: str, engine: str = "0") -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry: CollectorRegistry = CollectorRegistry()
        names, values = ("model_name", "engine"), (model_name, engine)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, names, registry=self.registry).labels(*values)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, names, registry=self.registry).labels(*values)

        def histogram(name: str, text: str, bounds: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, names, registry=self.registry, buckets=bounds).labels(*values)

        self._running = gauge("vllm:num_requests_running", "Answers being generated.")
        self._waiting = gauge("vllm:num_requests_waiting", "Answers waiting for a place in the batch.")
        self._prompt_tokens = counter("vllm:prompt_tokens", "Prompt tokens processed.")
        self._generation_tokens = counter("vllm:generation_tokens", "Tokens generated.")
        self._latency = histogram("vllm:e2e_request_latency_seconds", "From arrival to the last token.", REQUEST_BOUNDS_S)
        self._first_token = histogram("vllm:time_to_first_token_seconds", "From arrival to the first token.", FIRST_TOKEN_BOUNDS_S)
        self._next_token = histogram("vllm:inter_token_latency_seconds", "Between two tokens of one answer.", TOKEN_BOUNDS_S)
        self._queue_time = histogram("vllm:request_queue_time_seconds", "From arrival to the first forward pass.", REQUEST_BOUNDS_S)
        success = Counter("vllm:request_success", "Finished answers by reason.", (*names, "finished_reason"), registry=self.registry)
        self._success = {reason: success.labels(*values, reason) for reason in FINISH_REASONS}
        self._http = Counter(
            "http_requests", "HTTP requests by handler and status class.", ("handler", "method", "status"), registry=self.registry
        )

    def queue(self, running: int, waiting: int) -> None:
        """Set the two gauges."""
        self._running.set(running)
        self._waiting.set(waiting)

    def prefilled(self, tokens: int) -> None:
        """Count prompt tokens that were read."""
        self._prompt_tokens.inc(tokens)

    def token(self, since_last_s: float | None) -> None:
        """Count one token; None: the first of its answer."""
        self._generation_tokens.inc()
        if since_last_s is not None:
            self._next_token.observe(since_last_s)

    def finished(self, row: Row) -> None:
        """Count one answer that ended, for whatever reason."""
        self._success[row.finish_reason].inc()
        if row.last_at:
            self._first_token.observe(row.first_at - row.came_at)
            self._queue_time.observe(row.began_at - row.came_at)
            self._latency.observe(row.last_at - row.came_at)

    def http(self, handler: str, method: str, status: int) -> None:
        """Count one HTTP response."""
        self._http.labels(handler, method, f"{status // 100}xx").inc()

    def render(self) -> bytes:
        """The text exposition of everything."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
