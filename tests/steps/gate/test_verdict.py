from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.contract.config import GateConfig
from steps.gate.metrics import Measurements
from steps.gate.stats import Comparison
from steps.gate.verdict import combine, decide
from steps.scoring.drift import Drift

RULES = [
    "golden_prompts",
    "champion_unscored",
    "candidate_unscored",
    "min_faithfulness",
    "min_answer_relevancy",
    "faithfulness_drop",
    "p99_latency_growth",
    "refusal_growth",
    "length_growth",
    "fluency_drop",
    "gold_restated_drop",
]


def comparison(champion=0.9, candidate=0.9, *, half=0.02, error=0.01, n=100, delta=None):
    delta = candidate - champion if delta is None else delta
    return Comparison(champion, candidate, delta, delta - half, delta + half, error, n)


def measured(unscored=(0.0, 0.0), **overrides):
    given = {
        "faithfulness": comparison(),
        "answer_relevancy": comparison(),
        "fluency": comparison(),
        "refusal": comparison(0.01, 0.01),
        "length_words": comparison(8, 8),
        "p99_latency_ms": comparison(100, 100, delta=0.0),
        "gold_restated": comparison(),
    }
    return Measurements({**given, **overrides}, dict(zip(("champion", "candidate"), unscored, strict=True)), 100)


def phase(config=None, **overrides):
    return decide(measured(**overrides), config or GateConfig()).phase


def finding(name, config=None, **overrides):
    return next(found for found in decide(measured(**overrides), config or GateConfig()).findings if found.name == name)


def test_every_rule_has_one_finding_and_equal_models_pass():
    verdict = decide(measured(), GateConfig())
    assert [found.name for found in verdict.findings] == RULES
    assert verdict.phase == "Successful"
    assert verdict.reason == "all 11 rules hold"


@pytest.mark.parametrize(
    ("rule", "overrides"),
    [
        ("min_faithfulness", {"faithfulness": comparison(0.80, 0.84)}),
        ("min_answer_relevancy", {"answer_relevancy": comparison(0.7, 0.79)}),
        ("faithfulness_drop", {"faithfulness": comparison(0.95, 0.90, half=0.01)}),
        ("faithfulness_drop", {"faithfulness": comparison(0.95, 0.915, half=0.01, error=0.005)}),
        ("p99_latency_growth", {"p99_latency_ms": comparison(100, 130, delta=0.3, half=0.1)}),
        ("refusal_growth", {"refusal": comparison(0.0, 0.06)}),
        ("length_growth", {"length_words": comparison(8, 13)}),
        ("fluency_drop", {"fluency": comparison(0.95, 0.84)}),
        ("gold_restated_drop", {"gold_restated": comparison(0.9, 0.8, half=0.05)}),
    ],
)
def test_each_broken_rule_fails(rule, overrides):
    verdict = decide(measured(**overrides), GateConfig())
    assert verdict.phase == "Failed"
    assert [found.name for found in verdict.findings if found.ok is False] == [rule]


@pytest.mark.parametrize(
    ("rule", "overrides"),
    [
        ("golden_prompts", {"faithfulness": comparison(n=19)}),
        ("champion_unscored", {"unscored": (0.06, 0.0)}),
        ("candidate_unscored", {"unscored": (0.0, 0.06)}),
        ("candidate_unscored", {"unscored": (0.0, math.nan)}),
        ("faithfulness_drop", {"faithfulness": comparison(half=0.04)}),
        # Beyond the tolerance as measured, but the set is too small to tell.
        ("faithfulness_drop", {"faithfulness": comparison(0.95, 0.90, half=0.2)}),
        ("p99_latency_growth", {"p99_latency_ms": comparison(100, 105, delta=0.05, half=0.06)}),
        ("p99_latency_growth", {"p99_latency_ms": comparison(100, 130, delta=0.3, half=0.25)}),
        ("refusal_growth", {"refusal": comparison(0.0, 0.04)}),
        ("fluency_drop", {"fluency": comparison(0.95, 0.86)}),
        ("length_growth", {"length_words": comparison(0, 8)}),
    ],
)
def test_each_undecided_rule_is_inconclusive(rule, overrides):
    verdict = decide(measured(**overrides), GateConfig())
    assert verdict.phase == "Inconclusive"
    assert [found.name for found in verdict.findings if found.ok is None] == [rule]


def test_a_large_gain_passes_although_the_set_could_not_show_the_tolerance():
    gain = comparison(0.5, 0.9, half=0.1, error=0.05)
    assert gain.detectable(0.1) > GateConfig().max_faithfulness_drop
    assert phase(faithfulness=gain) == "Successful"


def test_an_interval_that_is_too_wide_says_how_many_questions_would_do():
    found = finding("faithfulness_drop", faithfulness=comparison(half=0.04, error=0.02))
    assert "100 questions can detect 0.057, about 359 would do" in found.reason
    assert found.power == pytest.approx(0.309, abs=0.001)


def test_a_finding_names_value_limit_interval_questions_and_power():
    found = finding("faithfulness_drop", faithfulness=comparison(0.9, 0.895, half=0.02))
    assert (found.n, found.limit, found.ok) == (100, 0.03, True)
    assert found.value == pytest.approx(0.005)
    assert found.interval == pytest.approx((-0.015, 0.025))
    assert found.power == pytest.approx(0.841, abs=0.001)


@pytest.mark.parametrize(("ok", "expected"), [(True, "Successful"), (False, "Inconclusive")])
def test_a_judge_that_drifted_decides_nothing(ok, expected):
    drift = (Drift(role="gate", shift=0.2, limit=0.03, ok=ok, reason="gate judge moved"),)
    verdict = decide(replace(measured(), drift=drift), GateConfig())
    assert verdict.phase == expected
    assert verdict.findings[-1].name == "gate_judge_drift"


def test_broken_beats_undecided():
    assert phase(faithfulness=comparison(0.80, 0.84), unscored=(0.5, 0.5)) == "Failed"


def test_milliseconds_below_the_floor_do_not_matter():
    slower = {"p99_latency_ms": comparison(2, 9, delta=3.5, half=0.5)}
    assert phase(**slower) == "Failed"
    assert phase(GateConfig(latency_floor_ms=10), **slower) == "Successful"


def test_a_refusal_that_falls_and_fluency_that_rises_are_welcome():
    assert phase(refusal=comparison(0.5, 0.0), fluency=comparison(0.5, 1.0), length_words=comparison(20, 5)) == "Successful"


def test_a_golden_set_without_gold_values_has_no_gold_rule():
    given = dict(measured().comparisons)
    del given["gold_restated"]
    verdict = decide(Measurements(given, {"champion": 0.0, "candidate": 0.0}, 100), GateConfig())
    assert verdict.phase == "Successful"
    assert len(verdict.findings) == 10


def test_no_findings_never_pass():
    assert combine([]).phase == "Inconclusive"


METRICS = sorted(measured().comparisons)
NOT_FINITE = st.sampled_from((math.nan, math.inf, -math.inf))


@given(st.sampled_from(METRICS), st.sampled_from(("champion", "candidate", "delta", "low", "high", "standard_error")), NOT_FINITE)
def test_a_number_that_is_not_finite_never_passes(metric, field, value):
    base = measured().comparisons[metric]
    broken = Comparison(**{**base.__dict__, field: value})
    assert phase(**{metric: broken}) != "Successful"


@given(st.sets(st.sampled_from(METRICS), min_size=1), st.booleans())
def test_a_missing_metric_never_passes(missing, drop):
    given = dict(measured().comparisons)
    for name in missing - {"gold_restated"} if drop else missing:
        if drop:
            del given[name]
        else:
            given[name] = None
    verdict = decide(Measurements(given, {"champion": 0.0, "candidate": 0.0}, 100), GateConfig())
    assert verdict.phase == ("Successful" if drop and missing == {"gold_restated"} else "Inconclusive")


@given(st.sampled_from(("champion", "candidate")))
def test_an_unknown_share_of_scores_never_passes(arm):
    assert decide(Measurements(measured().comparisons, {arm: 0.0}, 100), GateConfig()).phase == "Inconclusive"


@given(*(st.floats(-1, 1) for _ in range(2)), st.floats(0, 0.5))
def test_success_means_that_the_interval_excludes_the_tolerated_drop(champion, candidate, half):
    config = GateConfig(min_faithfulness=0)
    found = comparison(champion, candidate, half=half)
    if phase(config, faithfulness=found) == "Successful":
        assert found.low >= -config.max_faithfulness_drop and candidate >= 0
