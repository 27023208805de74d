from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.canary.evaluation import VersionWindow, analyse
from steps.contract.config import CanaryConfig

CONFIG = CanaryConfig(min_samples=30, min_requests=40)


def window(count=200, score=0.9, **changes):
    good = round(count * score)
    values = {"requests": count, "p99_latency_ms": 50.0, "scored": count, "score_sum": good, "score_square_sum": good}
    return VersionWindow(**(values | changes))


def test_equal_versions_pass():
    assert analyse(window(), window(), CONFIG).phase == "Successful"


@pytest.mark.parametrize(
    "canary",
    [
        window(score=0.6),
        window(errors=10),
        window(p99_latency_ms=60.0),
    ],
)
def test_a_regression_fails(canary):
    assert analyse(window(2000), canary, CONFIG).phase == "Failed"


@pytest.mark.parametrize(
    "canary",
    [
        VersionWindow(),
        window(39),
        window(scored=29, score_sum=26, score_square_sum=26),
        window(scored=0, score_sum=0, score_square_sum=0),
        window(p99_latency_ms=None),
        window(p99_latency_ms=math.nan),
        window(p99_latency_ms=-math.inf),
        window(score_sum=math.nan),
        window(score_square_sum=math.inf),
    ],
)
def test_no_or_bad_data_never_passes(canary):
    assert analyse(window(2000), canary, CONFIG).phase == "Inconclusive"


def test_an_idle_stable_never_passes():
    assert analyse(VersionWindow(), window(), CONFIG).phase == "Inconclusive"


def test_false_alarms_are_rare_and_real_drops_are_found():
    rng = np.random.default_rng(0)

    def phases(stable, canary, rounds=400):
        drawn = []
        for _ in range(rounds):
            base, ours = rng.binomial(1200, stable), rng.binomial(60, canary)
            drawn.append(
                analyse(
                    window(1200, scored=1200, score_sum=base, score_square_sum=base),
                    window(60, scored=60, score_sum=ours, score_square_sum=ours),
                    CONFIG,
                ).phase
            )
        return drawn

    assert phases(0.9, 0.9).count("Failed") / 400 < 0.12
    assert phases(0.9, 0.6).count("Failed") / 400 > 0.97


FLOATS = st.one_of(st.none(), st.floats())


@given(latency=FLOATS, total=st.floats(), square=st.floats(), scored=st.integers(0, 10_000), requests=st.integers(0, 10_000))
def test_a_pass_always_rests_on_enough_finite_data(latency, total, square, scored, requests):
    canary = VersionWindow(requests=requests, p99_latency_ms=latency, scored=scored, score_sum=total, score_square_sum=square)
    verdict = analyse(window(2000), canary, CONFIG)
    if verdict.phase == "Successful":
        assert requests >= 40 and scored >= 30
        assert latency is not None and math.isfinite(latency) and math.isfinite(total)
