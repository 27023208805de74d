"""Rules of a canary, once for both worlds: numbers in this process and PromQL on a cluster.

A formula is a function of the two sides' terms. Given floats it returns the measured
value; given `Query` terms the same function returns the PromQL that measures it
(`steps.canary.promql`). Thresholds come from `CanaryConfig` and from nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Generic, Literal, Protocol, TypeVar

from steps.contract.config.canary import CanaryConfig, CanaryMetric


def z_quantile(probability: float) -> float:
    """Quantile of the normal distribution, to 4 decimals so that PromQL stays readable."""
    return round(NormalDist().inv_cdf(probability), 4)


# One-sided 95 % and 80 %.
Z_95, Z_80 = z_quantile(0.95), z_quantile(0.80)


@dataclass(frozen=True)
class Query:
    """A PromQL expression; arithmetic on it writes a longer one, with brackets where they are needed.

    Attributes:
        text: the expression.
        binds: how tightly its outermost operator binds: 1 sum, 2 product, 3 anything closed.
    """

    text: str
    binds: int = 3

    def _with(self, sign: str, other: Query | float, binds: int, *, swapped: bool = False) -> Query:
        term = other if isinstance(other, Query) else Query(number(other))
        left, right = (term, self) if swapped else (self, term)
        # The right side is bracketed at the same strength, too: a - (b - c).
        before = left.text if left.binds >= binds else f"({left.text})"
        after = right.text if right.binds > binds else f"({right.text})"
        return Query(f"{before} {sign} {after}", binds)

    def __add__(self, other: Query | float) -> Query:
        return self._with("+", other, 1)

    def __sub__(self, other: Query | float) -> Query:
        return self._with("-", other, 1)

    def __mul__(self, other: Query | float) -> Query:
        return self._with("*", other, 2)

    def __rmul__(self, other: float) -> Query:
        return self._with("*", other, 2, swapped=True)

    def __truediv__(self, other: Query | float) -> Query:
        return self._with("/", other, 2)


T = TypeVar("T", float, Query)


def number(value: float) -> str:
    """A number as PromQL and Rollouts' expressions read it: decimal, shortest, without an exponent."""
    text = format(Decimal(repr(float(value))), "f")
    return text.removesuffix(".0") or "0"


def at_least(term: T, bound: float) -> T:
    """The larger of both; not-a-number stays."""
    if isinstance(term, Query):
        return Query(f"clamp_min({term.text}, {number(bound)})")
    return max(term, bound)


def square(term: T) -> T:
    """The term times itself."""
    if isinstance(term, Query):
        return Query(f"({term.text}) ^ 2")
    return term * term


def root(term: T) -> T:
    """Square root of a number that is not negative."""
    if isinstance(term, Query):
        return Query(f"sqrt({term.text})")
    return math.sqrt(term)


@dataclass(frozen=True)
class Scores(Generic[T]):
    """Scores of one version over one window, each 0-1: how many, their sum, the sum of their squares."""

    count: T
    total: T
    squares: T

    def mean(self) -> T:
        """Mean score."""
        return self.total / self.count

    def variance(self) -> T:
        """Variance of the mean: sample variance over the number of scores."""
        return at_least(self.squares / self.count - square(self.mean()), 0.0) / (self.count - 1.0)


@dataclass(frozen=True)
class Side(Generic[T]):
    """One version over one window.

    Attributes:
        requests: finished requests.
        errors: of these, answered 5xx.
        p99_latency_ms: 99th percentile of the response time.
        faithfulness, answer_relevancy: scores of live answers.
        feedback: users' verdicts, 1 for up and 0 for down.
        answered: requests that the model servers finished.
        waiting: mean number of requests that wait in the busiest pod.
    """

    requests: T
    errors: T
    p99_latency_ms: T
    faithfulness: Scores[T]
    answer_relevancy: Scores[T]
    feedback: Scores[T]
    answered: T
    waiting: T


def failures(side: Side[T]) -> Scores[T]:
    """Requests as scores: 1 for a failed one."""
    return Scores(side.requests, side.errors, side.errors)


def error_growth(stable: Side[T], canary: Side[T], _: CanaryConfig) -> T:
    """How much larger the canary's share of failed requests is at least, with 80 % confidence.

    Shares and not rates, because traffic is split unevenly. Without the confidence a single
    failure among some hundred requests would end a canary, and a canary is looked at
    thousands of times.
    """
    ours, base = failures(canary), failures(stable)
    return ours.mean() - base.mean() - Z_80 * root(base.variance() + ours.variance())


def p99_growth(stable: Side[T], canary: Side[T], config: CanaryConfig) -> T:
    """The canary's p99 over stable's; a canary below the floor is within the limit."""
    return canary.p99_latency_ms / at_least(stable.p99_latency_ms, config.p99_latency_floor_ms / config.max_p99_latency_ratio)


def p99_backstop(stable: Side[T], canary: Side[T], config: CanaryConfig) -> T:
    """The same against the backstop's limit."""
    return canary.p99_latency_ms / at_least(stable.p99_latency_ms, config.p99_latency_floor_ms / p99_backstop_limit(config))


def p99_backstop_limit(config: CanaryConfig) -> float:
    """Never below the ordinary limit."""
    return max(config.p99_latency_backstop_ratio, config.max_p99_latency_ratio)


def best_difference(stable: Scores[T], canary: Scores[T]) -> T:
    """The highest difference of the means that the data leave plausible: with 95 % confidence it is lower."""
    return canary.mean() - stable.mean() + Z_95 * root(stable.variance() + canary.variance())


def faithfulness_drop(stable: Side[T], canary: Side[T], _: CanaryConfig) -> T:
    """Best plausible difference of faithfulness."""
    return best_difference(stable.faithfulness, canary.faithfulness)


def faithfulness_backstop(stable: Side[T], canary: Side[T], config: CanaryConfig) -> T:
    """Not above 0 when faithfulness fell by the backstop, and by more than 80 % chance explains."""
    ours, base = canary.faithfulness, stable.faithfulness
    return ours.mean() - base.mean() + at_least(Z_80 * root(base.variance() + ours.variance()), config.faithfulness_backstop)


def answer_relevancy_drop(stable: Side[T], canary: Side[T], _: CanaryConfig) -> T:
    """Best plausible difference of answer relevancy."""
    return best_difference(stable.answer_relevancy, canary.answer_relevancy)


def feedback_drop(stable: Side[T], canary: Side[T], _: CanaryConfig) -> T:
    """Best plausible difference of the share of thumbs up."""
    return best_difference(stable.feedback, canary.feedback)


def waiting_growth(stable: Side[T], canary: Side[T], _: CanaryConfig) -> T:
    """How many more requests wait in the canary's busiest pod than in stable's."""
    return canary.waiting - stable.waiting


class Formula(Protocol):
    """A measured value of two sides."""

    def __call__(self, stable: Side[T], canary: Side[T], config: CanaryConfig, /) -> T:
        """The value."""


class Count(Protocol):
    """How many samples one side rests on."""

    def __call__(self, side: Side[T], /) -> T:
        """The count."""


def requests_of(side: Side[T]) -> T:
    """Finished requests."""
    return side.requests


def answered_of(side: Side[T]) -> T:
    """Requests that the model servers finished."""
    return side.answered


def faithfulness_of(side: Side[T]) -> T:
    """Scores of faithfulness."""
    return side.faithfulness.count


def relevancy_of(side: Side[T]) -> T:
    """Scores of answer relevancy."""
    return side.answer_relevancy.count


def feedback_of(side: Side[T]) -> T:
    """Users' verdicts."""
    return side.feedback.count


@dataclass(frozen=True)
class Rule:
    """One comparison of the canary with stable.

    Attributes:
        name: unique; also the name of the Rollouts metric on a cluster.
        metric: what it is a rule of; a key of `canary.questions`.
        value: what is measured.
        fails: the canary fails when `value fails limit` holds.
        limit: the threshold.
        samples: what is counted before there is a verdict, on both sides.
        minimum: how many of these there must be.
        long: measured over the long window.
        immediate: one failed look aborts, however many are tolerated elsewhere.
        by_pod: its series belong to one ReplicaSet; the gateway's do not, they carry an earlier canary's requests.
    """

    name: str
    metric: CanaryMetric
    value: Formula
    fails: Literal[">", "<", "<="]
    limit: Callable[[CanaryConfig], float]
    samples: Count
    minimum: Callable[[CanaryConfig], int]
    long: bool = False
    immediate: bool = False
    by_pod: bool = True

    def failed(self, value: float, config: CanaryConfig) -> bool:
        """Whether a measured value fails the canary."""
        limit = self.limit(config)
        return value > limit if self.fails == ">" else value < limit if self.fails == "<" else value <= limit


RULES: tuple[Rule, ...] = (
    Rule(
        "error-ratio", "error_ratio", error_growth, ">", lambda c: c.max_error_ratio_growth,
        requests_of, lambda c: c.min_requests, by_pod=False,
    ),
    Rule(
        "p99-latency", "p99_latency", p99_growth, ">", lambda c: c.max_p99_latency_ratio,
        requests_of, lambda c: c.min_p99_requests, long=True, by_pod=False,
    ),
    Rule(
        "p99-latency-backstop", "p99_latency", p99_backstop, ">", p99_backstop_limit,
        requests_of, lambda c: c.min_requests, by_pod=False,
    ),
    Rule(
        "faithfulness", "faithfulness", faithfulness_drop, "<", lambda c: -c.max_faithfulness_drop,
        faithfulness_of, lambda c: c.min_samples, long=True,
    ),
    Rule(
        "faithfulness-backstop", "faithfulness", faithfulness_backstop, "<=", lambda _: 0.0,
        faithfulness_of, lambda c: c.min_samples, long=True, immediate=True,
    ),
    Rule(
        "answer-relevancy", "answer_relevancy", answer_relevancy_drop, "<", lambda c: -c.max_answer_relevancy_drop,
        relevancy_of, lambda c: c.min_samples, long=True,
    ),
    Rule(
        "user-feedback", "user_feedback", feedback_drop, "<", lambda c: -c.max_feedback_drop,
        feedback_of, lambda c: c.min_feedback, long=True,
    ),
    Rule(
        "saturation", "saturation", waiting_growth, ">", lambda c: c.max_waiting_growth,
        answered_of, lambda c: c.min_requests,
    ),
)  # fmt: skip


def rules_of(metric: CanaryMetric) -> tuple[Rule, ...]:
    """The rules of one metric."""
    return tuple(rule for rule in RULES if rule.metric == metric)
