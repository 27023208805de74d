from __future__ import annotations

import pytest

from steps.contract.config import RewardWeights
from steps.scoring.reward import final_score, weighted

FULL = {"faithfulness": 1.0, "judge": 0.5, "answer_relevancy": 0.0, "context_precision": 0.2}


def test_weighted_mean():
    weights = RewardWeights(faithfulness=2, judge=1, answer_relevancy=1, context_precision=0)
    assert weighted(weights) == {"faithfulness": 0.5, "judge": 0.25, "answer_relevancy": 0.25}
    assert final_score(FULL, weights) == 0.625


def test_missing_optional_component_is_left_out():
    weights = RewardWeights(faithfulness=0.5, judge=0.4, answer_relevancy=0.1)
    assert final_score(FULL | {"answer_relevancy": None}, weights) == pytest.approx((0.5 + 0.2) / 0.9, abs=1e-6)


@pytest.mark.parametrize("name", ["faithfulness", "judge"])
def test_missing_required_component_is_unscored(name):
    assert final_score(FULL | {name: None}, RewardWeights()) is None


def test_a_required_component_without_weight_is_not_required():
    assert final_score({"judge": 0.5}, RewardWeights(faithfulness=0, judge=1, answer_relevancy=0)) == 0.5


def test_nothing_left_is_unscored():
    assert final_score({}, RewardWeights(faithfulness=0, judge=0, answer_relevancy=1)) is None
    assert final_score({"answer_relevancy": float("nan")}, RewardWeights(faithfulness=0, judge=0, answer_relevancy=1)) is None


def test_six_decimals():
    assert final_score({"faithfulness": 1 / 3, "judge": 1 / 3}, RewardWeights(answer_relevancy=0)) == 0.333333
