"""Analysis of a live canary: pure verdicts over counters of the same window.

Measuring is elsewhere (Envoy's and the quality exporter's counters), the comparisons
are in `steps.canary.rules`. No data is not a pass: too few requests or scores is
Inconclusive, and a caller that runs out of time with an Inconclusive verdict aborts.
"""

from __future__ import annotations

import math

from pydantic import Field

from steps.canary.rules import Rule, Scores, Side, rules_of, z_quantile
from steps.contract.config import CanaryConfig
from steps.contract.config.canary import CanaryMetric
from steps.contract.refs import Frozen
from steps.contract.spec import Phase


class VersionWindow(Frozen):
    """Counters of one version over one window."""

    requests: int = Field(default=0, description="answered or failed requests")
    errors: int = Field(default=0, description="of these, responses with a 5xx status")
    p99_latency_ms: float | None = Field(default=None, description="99th percentile of the response time; None without requests")
    scored: int = Field(default=0, description="answers with a faithfulness score")
    score_sum: float = Field(default=0.0, description="sum of these scores, each 0-1")
    score_square_sum: float = Field(default=0.0, description="sum of their squares")
    relevancy_scored: int = Field(default=0, description="answers with an answer relevancy score")
    relevancy_sum: float = Field(default=0.0, description="sum of these scores, each 0-1")
    relevancy_square_sum: float = Field(default=0.0, description="sum of their squares")
    feedback_up: int = Field(default=0, description="users' good verdicts")
    feedback_down: int = Field(default=0, description="users' bad verdicts")
    waiting: float | None = Field(
        default=None, description="mean number of requests that wait in the busiest model server; None when unknown"
    )

    @property
    def faithfulness(self) -> float | None:
        """Mean score, 0-1; None without scores."""
        return self.score_sum / self.scored if self.scored else None

    @property
    def error_ratio(self) -> float | None:
        """Failed share of requests, 0-1; None without requests."""
        return self.errors / self.requests if self.requests else None

    def side(self) -> Side[float]:
        """The same as terms of the formulas; what is unknown is not a number."""
        votes, up = float(self.feedback_up + self.feedback_down), float(self.feedback_up)
        return Side(
            requests=float(self.requests),
            errors=float(self.errors),
            p99_latency_ms=math.nan if self.p99_latency_ms is None else self.p99_latency_ms,
            faithfulness=Scores(float(self.scored), self.score_sum, self.score_square_sum),
            answer_relevancy=Scores(float(self.relevancy_scored), self.relevancy_sum, self.relevancy_square_sum),
            feedback=Scores(votes, up, up),
            answered=float(self.requests),
            waiting=math.nan if self.waiting is None else self.waiting,
        )


class MetricResult(Frozen):
    """Phase of one rule, or of all rules of one metric."""

    name: str = Field(description="the rule or the metric")
    phase: Phase = Field(description="Successful, Failed or Inconclusive")
    reason: str = Field(description="what was measured and what decided it, one line")


class OnlineVerdict(Frozen):
    """The verdict of one analysis and the metrics behind it."""

    phase: Phase = Field(description="the worst phase of its metrics")
    reason: str = Field(description="the metrics that decided it, one line")
    metrics: tuple[MetricResult, ...] = Field(description="one result for each metric of `canary.questions`")
    delta: float | None = Field(default=None, description="mean faithfulness of the canary minus stable's; None: not known")
    ci95: tuple[float, float] | None = Field(default=None, description="its 95 % interval; None: not known")


def evaluate(rule: Rule, stable: Side[float], canary: Side[float], config: CanaryConfig) -> MetricResult:
    """Evaluate one rule: too few samples, or a value that is no finite number, is Inconclusive."""
    fewest, needed = min(rule.samples(stable), rule.samples(canary)), rule.minimum(config)
    if not fewest >= needed:
        return MetricResult(name=rule.name, phase="Inconclusive", reason=f"{fewest:.0f} of {needed} samples of each version")
    try:
        value = rule.value(stable, canary, config)
    except ZeroDivisionError:
        value = math.nan
    if not math.isfinite(value):
        return MetricResult(name=rule.name, phase="Inconclusive", reason="what was measured is no finite number")
    phase: Phase = "Failed" if rule.failed(value, config) else "Successful"
    return MetricResult(name=rule.name, phase=phase, reason=f"{value:+.3f}, fails {rule.fails} {rule.limit(config):g}")


def worst(results: tuple[MetricResult, ...]) -> MetricResult | None:
    """The first that failed, else the first without a verdict; None: all passed."""
    return next((result for phase in ("Failed", "Inconclusive") for result in results if result.phase == phase), None)


def _measured(metric: str, stable: VersionWindow, canary: VersionWindow) -> str:
    """The two numbers that people compare."""
    if metric == "error_ratio":
        return f"canary {canary.error_ratio or 0.0:.2%}, stable {stable.error_ratio or 0.0:.2%}"
    if metric == "p99_latency":
        return f"canary {canary.p99_latency_ms or 0.0:.0f} ms, stable {stable.p99_latency_ms or 0.0:.0f} ms"
    if metric == "saturation":
        return f"waiting: canary {canary.waiting or 0.0:.1f}, stable {stable.waiting or 0.0:.1f}"
    pairs = {
        "faithfulness": lambda side: side.faithfulness,
        "answer_relevancy": lambda side: side.answer_relevancy,
        "user_feedback": lambda side: side.feedback,
    }
    ours, base = pairs[metric](canary.side()), pairs[metric](stable.side())
    if not (ours.count and base.count):
        return ""
    return f"canary {ours.mean():.3f}, stable {base.mean():.3f}, difference {ours.mean() - base.mean():+.3f}"


def _interval(stable: VersionWindow, canary: VersionWindow) -> tuple[float, tuple[float, float]] | None:
    """Difference of faithfulness and its 95 % interval; None unless both are finite numbers."""
    ours, base = canary.side().faithfulness, stable.side().faithfulness
    if ours.count < 2 or base.count < 2:
        return None
    delta, error = ours.mean() - base.mean(), math.sqrt(base.variance() + ours.variance())
    half = z_quantile(0.975) * error
    interval = (delta - half, delta + half)
    return (delta, interval) if all(math.isfinite(value) for value in (delta, *interval)) else None


def analyse(stable: VersionWindow, canary: VersionWindow, config: CanaryConfig) -> OnlineVerdict:
    """Compare a canary window with stable: every rule of every metric in `config.questions`.

    One failed rule fails the canary; without a failure, one inconclusive rule leaves it
    inconclusive. Faithfulness fails when it is worse by more than the tolerance with
    95 % confidence, or by the backstop with 80 %.
    """
    results = tuple(_evaluate_metric(metric, stable, canary, config) for metric in config.questions)
    delta, ci95 = _interval(stable, canary) or (None, None)
    decisive = worst(results)
    phase: Phase = decisive.phase if decisive else "Successful"
    shown = [result for result in results if result.phase == phase] if decisive else results[-1:]
    reason = "; ".join(f"{result.name}: {result.reason}" for result in shown)
    return OnlineVerdict(phase=phase, reason=reason, metrics=results, delta=delta, ci95=ci95)


def _evaluate_metric(metric: CanaryMetric, stable: VersionWindow, canary: VersionWindow, config: CanaryConfig) -> MetricResult:
    """The worst result among a metric's rules, with the numbers that people compare."""
    bad = worst(tuple(evaluate(rule, stable.side(), canary.side(), config) for rule in rules_of(metric)))
    parts = (_measured(metric, stable, canary), f"{bad.name} {bad.reason}" if bad else "")
    return MetricResult(name=metric, phase=bad.phase if bad else "Successful", reason=", ".join(part for part in parts if part))
