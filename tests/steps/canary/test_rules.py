from __future__ import annotations

import math
from pathlib import Path

import pytest

from steps.canary.evaluation import VersionWindow, evaluate
from steps.canary.rules import RULES, Query, at_least, number, root, rules_of
from steps.contract.config import load_config
from steps.contract.config.canary import CanaryConfig

BY_NAME = {rule.name: rule for rule in RULES}
PRODUCTION = load_config(Path(__file__).parents[3] / "charts" / "environments" / "production" / "values.yaml").canary


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (Query("a") + Query("b") - Query("c"), "a + b - c"),
        (Query("a") - (Query("b") - Query("c")), "a - (b - c)"),
        ((Query("a") + Query("b")) / Query("c"), "(a + b) / c"),
        (Query("a") / (Query("b") / Query("c")), "a / (b / c)"),
        (Query("a") + Query("b") * Query("c"), "a + b * c"),
        (2.5 * root(Query("a") - 1.0), "2.5 * sqrt(a - 1)"),
        (at_least(Query("a"), 0.05), "clamp_min(a, 0.05)"),
    ],
)
def test_arithmetic_writes_promql(made, text):
    assert made.text == text


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (0.0, "0"), (-0.03, "-0.03"), (1e-07, "0.0000001"), (1.6449, "1.6449"), (1e6, "1000000")]
)
def test_numbers_have_no_exponent(value, text):
    assert number(value) == text and float(number(value)) == value


def test_every_metric_has_rules_and_every_rule_a_name():
    import typing

    from steps.contract.config.canary import CanaryMetric

    assert {rule.metric for rule in RULES} == set(typing.get_args(CanaryMetric))
    assert len(BY_NAME) == len(RULES)
    assert all(rules_of(metric) for metric in typing.get_args(CanaryMetric))


def binary(count: int, good: float, **changes: float) -> VersionWindow:
    """Scores of 0 and 1: the widest spread that scores can have."""
    values = {"requests": count, "scored": count, "score_sum": good, "score_square_sum": good}
    return VersionWindow(**(values | changes))


def phase(name: str, stable: VersionWindow, canary: VersionWindow, config: CanaryConfig) -> str:
    return evaluate(BY_NAME[name], stable.side(), canary.side(), config).phase


def smallest_failing(name: str, config: CanaryConfig, make: object, count: int) -> int:
    return next(bad for bad in range(count + 1) if phase(name, *make(bad), config) == "Failed")  # type: ignore[operator]


def tail(count: int, share: float, at_least_this: int) -> float:
    """P(X >= at_least_this) of a binomial X."""
    return 1 - sum(math.comb(count, hit) * share**hit * (1 - share) ** (count - hit) for hit in range(at_least_this))


def test_an_equal_model_survives_production_at_the_smallest_samples():
    """Even if every window of the first day held only as many samples as a verdict needs."""
    day = 86400
    least = PRODUCTION.min_requests
    stable = binary(19 * least, 0, errors=round(19 * least * 0.002))
    first = smallest_failing("error-ratio", PRODUCTION, lambda bad: (stable, binary(least, 0, errors=bad)), least)
    assert day / PRODUCTION.window_s * tail(least, 0.002, first) < 0.05
    for name in ("faithfulness", "faithfulness-backstop"):
        least = PRODUCTION.min_samples
        stable = binary(19 * least, 19 * least * 0.92)
        first = smallest_failing(name, PRODUCTION, lambda bad, stable=stable, least=least: (stable, binary(least, least - bad)), least)
        assert day / PRODUCTION.long_window_s * tail(least, 0.08, first) < 0.05, name


def test_a_clear_regression_is_found_in_one_window_of_the_smallest_samples():
    least = PRODUCTION.min_requests
    stable = binary(19 * least, 0, errors=round(19 * least * 0.005))
    first = smallest_failing("error-ratio", PRODUCTION, lambda bad: (stable, binary(least, 0, errors=bad)), least)
    assert tail(least, 0.05, first) > 0.95, "ten times the failures"
    least = PRODUCTION.min_samples
    stable = binary(19 * least, 19 * least * 0.92)
    first = smallest_failing("faithfulness", PRODUCTION, lambda bad: (stable, binary(least, least - bad)), least)
    assert tail(least, 0.18, first) > 0.95, "ten points of faithfulness"


def test_the_backstop_is_exact_where_nothing_is_left_to_chance():
    config = CanaryConfig(min_samples=2)
    flat = {"scored": 100, "score_sum": 90.0, "score_square_sum": 81.0}
    same = VersionWindow(**flat)
    fallen = VersionWindow(scored=100, score_sum=84.9, score_square_sum=84.9**2 / 100)
    held = VersionWindow(scored=100, score_sum=85.1, score_square_sum=85.1**2 / 100)
    assert phase("faithfulness-backstop", same, fallen, config) == "Failed"
    assert phase("faithfulness-backstop", same, held, config) == "Successful"


def test_the_backstop_of_latency_is_never_below_the_limit():
    config = CanaryConfig(max_p99_latency_ratio=8.0, p99_latency_backstop_ratio=2.0)
    stable, canary = binary(100, 90, p99_latency_ms=100.0), binary(100, 90, p99_latency_ms=700.0)
    assert phase("p99-latency-backstop", stable, canary, config) == phase("p99-latency", stable, canary, config) == "Successful"


@pytest.mark.parametrize(
    "wrong",
    [
        {"holds_s": (-1.0, 5.0)},
        {"questions": ()},
        {"questions": ("faithfulness", "faithfulness")},
        {"window_s": 900.0, "long_window_s": 600.0},
    ],
)
def test_wrong_configurations_are_refused(wrong):
    with pytest.raises(ValueError):
        CanaryConfig(**wrong)
