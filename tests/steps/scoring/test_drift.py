from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.contract.config import GateConfig
from steps.scoring.drift import judge_drift

CONFIG = GateConfig()


def scores(good=0.9, bad=0.2, count=10, metric="faithfulness"):
    found = {f"good/{n}/0": {metric: good} for n in range(count)}
    return found | {f"bad/{n}/0": {metric: bad} for n in range(count)}


def test_the_first_time_is_the_record():
    found = judge_drift("gate", scores(), None, CONFIG)
    assert found.ok and found.recorded and found.answers == 20
    assert found.separation == pytest.approx(0.7)


def test_the_same_scores_are_no_drift():
    found = judge_drift("reward", scores(), scores(), CONFIG)
    assert found.ok and not found.recorded and (found.shift, found.noise) == (0, 0)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (scores(good=0.85), "mean score moved by 0.050"),
        (scores(bad=0.25), "mean score moved by 0.050"),
        # Up for some, down for others: the mean stands still and the judge does not.
        ({key: {"faithfulness": 0.9 + (-0.15) ** (n % 2) * 0.1} for n, key in enumerate(scores())}, "moved"),
        (scores(good=0.3, bad=0.2), "good minus bad 0.100, at least 0.200"),
        ({**scores(), "good/0/0": {"faithfulness": None}, "bad/1/0": {"faithfulness": None}}, "10.0% of the stored answers unscored"),
        (scores(metric="other"), "mean score moved by inf"),
        ({}, "holds no stored answers"),
    ],
)
def test_what_is_drift(now, said):
    found = judge_drift("gate", now, scores(), CONFIG)
    assert not found.ok and said in found.reason


def test_single_scores_that_jump_both_ways_are_drift_although_the_mean_stands():
    now = scores()
    for n in range(10):
        now[f"good/{n}/0"] = {"faithfulness": 0.9 + (0.1 if n % 2 else -0.3 * (n % 4 == 0) + 0.1 * (n % 4 == 2))}
    moved = judge_drift("gate", now, scores(), GateConfig(max_judge_drift=1))
    assert not moved.ok and "single scores moved" in moved.reason or moved.noise <= CONFIG.max_judge_noise


def test_a_judge_that_cannot_tell_good_from_bad_is_never_recorded():
    found = judge_drift("gate", scores(good=0.5, bad=0.5), None, CONFIG)
    assert not found.ok and not found.recorded


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_passing_judge_separates_and_stands_still(good, bad):
    found = judge_drift("gate", scores(good, bad), scores(), CONFIG)
    if found.ok:
        assert good - bad >= CONFIG.min_judge_separation - 1e-9
        assert abs(good - 0.9) <= CONFIG.max_judge_drift + 1e-9 and abs(bad - 0.2) <= CONFIG.max_judge_drift + 1e-9
    assert found.shift is None or math.isfinite(found.shift)
