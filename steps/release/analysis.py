"""Online analysis of a canary: pure verdicts over counters of the same window.

Measuring is elsewhere (Envoy's and the quality exporter's counters). No data is not a
pass: too few requests or scores is Inconclusive, and a caller that runs out of time
with an Inconclusive verdict aborts.
"""

from __future__ import annotations

import math
from typing import Literal

from steps.config import CanaryConfig
from steps.core.refs import Frozen

Phase = Literal["Successful", "Failed", "Inconclusive"]

# One-sided 95 % and 80 % quantiles of the normal distribution.
Z_95 = 1.6449
Z_80 = 0.8416


class VersionWindow(Frozen):
    """Counters of one version over one window.

    Attributes:
        requests: answered or failed requests.
        errors: of these, responses with a 5xx status.
        p99_latency_ms: 99th percentile of the response time; None without requests.
        scored: answers with a faithfulness score.
        score_sum, score_square_sum: sums over these scores (each 0-1).
    """

    requests: int = 0
    errors: int = 0
    p99_latency_ms: float | None = None
    scored: int = 0
    score_sum: float = 0.0
    score_square_sum: float = 0.0

    @property
    def faithfulness(self) -> float | None:
        """Mean score, 0-1; None without scores."""
        return self.score_sum / self.scored if self.scored else None

    @property
    def error_ratio(self) -> float | None:
        """Failed share of requests, 0-1; None without requests."""
        return self.errors / self.requests if self.requests else None

    def mean_variance(self) -> float:
        """Variance of the mean score (sample variance over the number of scores)."""
        if self.scored < 2:
            return math.inf
        mean = self.score_sum / self.scored
        return max(0.0, self.score_square_sum / self.scored - mean * mean) / (self.scored - 1)


class Finding(Frozen):
    """One rule's answer."""

    name: str
    phase: Phase
    reason: str


class OnlineVerdict(Frozen):
    """The verdict of one analysis and the findings behind it."""

    phase: Phase
    reason: str
    findings: tuple[Finding, ...]
    delta: float | None = None
    ci95: tuple[float, float] | None = None


def _error_finding(stable: VersionWindow, canary: VersionWindow, config: CanaryConfig) -> Finding:
    if canary.requests < config.min_requests:
        return Finding(name="error_ratio", phase="Inconclusive", reason=f"{canary.requests} of {config.min_requests} canary requests")
    bad, base = canary.error_ratio or 0.0, stable.error_ratio or 0.0
    phase: Phase = "Failed" if bad > base + config.max_error_ratio_growth else "Successful"
    return Finding(
        name="error_ratio", phase=phase, reason=f"canary {bad:.2%}, stable {base:.2%}, growth limit {config.max_error_ratio_growth:.2%}"
    )


def _latency_finding(stable: VersionWindow, canary: VersionWindow, config: CanaryConfig) -> Finding:
    ours, base = canary.p99_latency_ms, stable.p99_latency_ms
    if canary.requests < config.min_requests or ours is None or base is None or not (math.isfinite(ours) and math.isfinite(base)):
        return Finding(name="p99_latency", phase="Inconclusive", reason="no latency of both versions yet")
    limit = max(base * config.max_p99_latency_ratio, config.p99_latency_floor_ms)
    phase: Phase = "Failed" if ours > limit else "Successful"
    return Finding(name="p99_latency", phase=phase, reason=f"canary {ours:.0f} ms, stable {base:.0f} ms, limit {limit:.0f} ms")


def _faithfulness_finding(
    stable: VersionWindow, canary: VersionWindow, config: CanaryConfig
) -> tuple[Finding, float | None, tuple[float, float] | None]:
    fewest = min(stable.scored, canary.scored)
    ours, base = canary.faithfulness, stable.faithfulness
    if fewest < max(2, config.min_samples) or ours is None or base is None:
        return (
            Finding(name="faithfulness", phase="Inconclusive", reason=f"{fewest} of {config.min_samples} scored answers of each version"),
            None,
            None,
        )
    delta = ours - base
    error = math.sqrt(stable.mean_variance() + canary.mean_variance())
    interval = (delta - 1.96 * error, delta + 1.96 * error)
    if not all(math.isfinite(value) for value in (delta, *interval)):
        return Finding(name="faithfulness", phase="Inconclusive", reason="a score is not a finite number"), None, None
    certainly_worse = delta + Z_95 * error < -config.max_faithfulness_drop
    backstop = delta <= -config.faithfulness_backstop and delta + Z_80 * error < 0
    phase: Phase = "Failed" if certainly_worse or backstop else "Successful"
    reason = f"canary {ours:.3f}, stable {base:.3f}, difference {delta:+.3f} (95 % CI {interval[0]:+.3f} to {interval[1]:+.3f})"
    return Finding(name="faithfulness", phase=phase, reason=reason), delta, interval


def analyse(stable: VersionWindow, canary: VersionWindow, config: CanaryConfig) -> OnlineVerdict:
    """Judge a canary window against stable: error ratio, p99 latency, online faithfulness.

    One failed rule fails the canary; without a failure, one inconclusive rule leaves it
    inconclusive. Faithfulness fails when it is worse by more than the tolerance with
    95 % confidence, or by the backstop with 80 %.
    """
    faithfulness, delta, interval = _faithfulness_finding(stable, canary, config)
    findings = (_error_finding(stable, canary, config), _latency_finding(stable, canary, config), faithfulness)
    for phase in ("Failed", "Inconclusive"):
        worst = [finding for finding in findings if finding.phase == phase]
        if worst:
            reason = "; ".join(f"{finding.name}: {finding.reason}" for finding in worst)
            return OnlineVerdict(phase=phase, reason=reason, findings=findings, delta=delta, ci95=interval)
    return OnlineVerdict(phase="Successful", reason=faithfulness.reason, findings=findings, delta=delta, ci95=interval)
