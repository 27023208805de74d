from __future__ import annotations

import re

import pytest

from steps.contract.config import JudgeConfig, LabelConfig, RewardWeights
from steps.contract.errors import ConfigError
from steps.scoring.policy import policy_version

JUDGE = JudgeConfig(model="m", base_url="http://one/v1")


def test_form_and_stability():
    assert re.fullmatch(r"rp-[0-9a-f]{12}", policy_version(JUDGE, LabelConfig()))
    assert policy_version(JUDGE, LabelConfig()) == policy_version(JUDGE, LabelConfig())


@pytest.mark.parametrize(
    "change", [{"base_url": "http://two/v1"}, {"api_key_file": "/key"}, {"concurrency": 1}, {"timeout_s": 1.0}, {"tries": 1}]
)
def test_where_and_how_the_judge_is_asked_is_no_policy(change):
    assert policy_version(JUDGE.model_copy(update=change), LabelConfig()) == policy_version(JUDGE, LabelConfig())


@pytest.mark.parametrize("change", [{"model": "n"}, {"embedding_model": "e"}, {"enable_thinking": True}, {"max_tokens": 100}])
def test_what_can_change_a_score_is(change):
    assert policy_version(JUDGE.model_copy(update=change), LabelConfig()) != policy_version(JUDGE, LabelConfig())


def test_weights_count_by_their_shares():
    def with_weights(*values):
        names = ("faithfulness", "judge", "answer_relevancy")
        return policy_version(JUDGE, LabelConfig(weights=RewardWeights(**dict(zip(names, values, strict=True)))))

    assert with_weights(1, 1, 0) == with_weights(2, 2, 0)
    assert with_weights(1, 1, 0) != with_weights(1, 2, 0)


def test_batch_size_is_no_policy():
    assert policy_version(JUDGE, LabelConfig(batch_rows=1)) == policy_version(JUDGE, LabelConfig())


def test_unknown_prompt_version():
    with pytest.raises(ConfigError, match="prompt_version"):
        policy_version(JUDGE.model_copy(update={"prompt_version": "v0"}), LabelConfig())
