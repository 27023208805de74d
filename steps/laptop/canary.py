"""The embedded canary: what Argo Rollouts does on a cluster, over a real Envoy.

Live users ask all the time; at each weight the counters of both versions are compared
until there is a verdict. Successful goes on, Failed aborts at once, Inconclusive waits
for more samples and aborts when the step's time is over: no data is not a pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from steps.canary.evaluation import OnlineVerdict, VersionWindow, analyse
from steps.contract.config import CanaryConfig

SETTLE_S = 0.5


class Traffic(Protocol):
    """Where weights are set."""

    def set_weight(self, canary_percent: int) -> None:
        """Send this percentage of requests to the canary, from now on."""


@dataclass(frozen=True)
class Sample:
    """Counters of both versions since the canary began."""

    stable: VersionWindow
    canary: VersionWindow


class Observer(Protocol):
    """Measures both versions."""

    def mark(self) -> Any:
        """Remember this moment."""

    def since(self, moment: Any) -> Sample:
        """Counters of both versions since a remembered moment."""


@dataclass
class CanaryResult:
    """How the canary went; plain data for the report."""

    outcome: str = ""
    reason: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    abort_seconds: float | None = None
    breach_at: str | None = None
    weight_zero_at: str | None = None


class Canary:
    """Walks the weights of one release."""

    def __init__(self, traffic: Traffic, observer: Observer, config: CanaryConfig, on_tick: Callable[[str], None]) -> None:
        self.traffic, self.observer, self.config, self.on_tick = traffic, observer, config, on_tick
        self.result = CanaryResult()
        self.began = time.monotonic()

    def run(self) -> CanaryResult:
        """Walk every weight until promotion or abort. Traffic is at 0 % canary after an abort."""
        start = self.observer.mark()
        for weight in self.config.weights:
            verdict = self._step(weight, start)
            if verdict.phase != "Successful":
                self._abort(weight, verdict)
                return self.result
        self.result.outcome, self.result.reason = "promoted", "every step of the canary passed"
        return self.result

    def _step(self, weight: int, start: Any) -> OnlineVerdict:
        self.traffic.set_weight(weight)
        self._tick(weight, self.observer.since(start), event=f"weight {weight} %")
        # Requests routed by the old weight are answered first, so that the window holds the new one's only.
        time.sleep(SETTLE_S)
        entered, moment = time.monotonic(), self.observer.mark()
        while True:
            time.sleep(self.config.interval_s)
            window = self.observer.since(moment)
            total = self.observer.since(start)
            # At 100 % stable gets no request: it is judged by what it did since the canary began.
            verdict = analyse(total.stable, window.canary, self.config)
            waited = time.monotonic() - entered
            overdue = verdict.phase == "Inconclusive" and waited > self.config.step_timeout_s
            decided = verdict.phase != "Inconclusive" or overdue
            self._tick(weight, total, window=window, event=verdict.phase if decided else "")
            self.on_tick(f"{weight} % · {verdict.phase} · {verdict.reason}")
            if decided:
                self._record(weight, Sample(total.stable, window.canary), window, verdict, waited)
                return verdict

    def _record(self, weight: int, compared: Sample, window: Sample, verdict: OnlineVerdict, seconds: float) -> None:
        requests = window.stable.requests + window.canary.requests
        self.result.steps.append(
            {
                "weight": weight,
                "observed_share": round(window.canary.requests / requests, 4) if requests else 0.0,
                "requests": requests,
                "verdict": verdict.phase,
                "reason": verdict.reason,
                "seconds": round(seconds, 1),
                "faithfulness": {
                    "stable": compared.stable.faithfulness,
                    "canary": compared.canary.faithfulness,
                    "delta": verdict.delta,
                    "ci95": list(verdict.ci95) if verdict.ci95 else None,
                },
            }
        )

    def _tick(self, weight: int, total: Sample, *, window: Sample | None = None, event: str = "") -> None:
        shown = window or total
        requests = shown.stable.requests + shown.canary.requests
        self.result.timeline.append(
            {
                "t_s": round(time.monotonic() - self.began, 1),
                "weight": weight,
                "requests_stable": total.stable.requests,
                "requests_canary": total.canary.requests,
                "share": round(shown.canary.requests / requests, 4) if window and requests else None,
                "faithfulness_stable": total.stable.faithfulness,
                "faithfulness_canary": shown.canary.faithfulness if window else None,
                "error_ratio_canary": shown.canary.error_ratio,
                "p99_stable_ms": total.stable.p99_latency_ms,
                "p99_canary_ms": shown.canary.p99_latency_ms,
                "event": event,
            }
        )

    def _abort(self, weight: int, verdict: OnlineVerdict) -> None:
        breach, breach_at = time.monotonic(), datetime.now(UTC)
        self.result.breach_at = breach_at.isoformat(timespec="milliseconds")
        self.traffic.set_weight(0)
        # The route file is live within a fraction of a second; wait until the canary's counter stands still.
        still = 0
        moment = self.observer.mark()
        while still < 2 and time.monotonic() - breach < 10:
            time.sleep(0.25)
            arrived = self.observer.since(moment).canary.requests
            moment = self.observer.mark()
            still = 0 if arrived else still + 1
        self.result.abort_seconds = round(max(0.0, time.monotonic() - breach - 0.25 * still), 2)
        self.result.weight_zero_at = (breach_at + timedelta(seconds=self.result.abort_seconds)).isoformat(timespec="milliseconds")
        self.result.outcome = "aborted"
        why = "no verdict in time: " if verdict.phase == "Inconclusive" else ""
        self.result.reason = f"at {weight} %: {why}{verdict.reason}"
        self.result.timeline.append(
            {"t_s": round(time.monotonic() - self.began, 1), "weight": 0, "requests_stable": 0, "requests_canary": 0, "event": "aborted"}
        )
