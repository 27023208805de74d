"""The reward is the label: same judge, same code, same weights."""

from __future__ import annotations

import asyncio

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.errors import TransientError
from steps.scoring.metrics import Scorer
from steps.scoring.reward import final_score
from steps.train.reward import judge_reward

QUESTION = "Which port does the Silver Falcon use?"
CONTEXTS = ["The Silver Falcon listens on port 8443.", "The Silver Falcon has timeout 30.", "The Amber Raven runs in region Paris."]
ANSWERS = ["The Silver Falcon listens on port 8443.", "I believe the Silver Falcon listens on port 9090.", "I am not sure about that."]


@pytest.fixture(scope="module")
def config(tmp_path_factory, make):
    with ServerProcess("judge", {}, log_file=tmp_path_factory.mktemp("judge") / "judge.log") as server:
        yield make.config(judge_url=server.wait_healthy().url + "/v1")


def labels(config):
    async def score():
        async with Scorer(config.reward_judge) as scorer:
            return [await scorer.score(QUESTION, CONTEXTS, answer) for answer in ANSWERS]

    names = ("faithfulness", "answer_relevancy", "judge")
    found = asyncio.run(score())
    return [final_score({name: getattr(scores, name) for name in names}, config.label.weights) for scores in found]


def test_rewards_are_the_labels_of_the_same_answers(config):
    with judge_reward(config) as reward:
        rewards = reward([QUESTION] * 3, [CONTEXTS] * 3, ANSWERS)
    assert rewards == labels(config)
    assert rewards[0] > 0.9 > 0.5 > rewards[1] > rewards[2]


def test_what_cannot_be_scored_is_worth_nothing(config):
    with judge_reward(config) as reward:
        assert reward([QUESTION] * 2, [CONTEXTS] * 2, ["", " \n"]) == [0.0, 0.0]


def test_a_repeated_answer_is_scored_once(config, monkeypatch):
    asked = []
    score = Scorer.score

    async def counted(self, question, contexts, answer):
        asked.append(answer)
        return await score(self, question, contexts, answer)

    monkeypatch.setattr(Scorer, "score", counted)
    with judge_reward(config) as reward:
        first = reward([QUESTION] * 3, [CONTEXTS] * 3, [ANSWERS[0], ANSWERS[1], ANSWERS[0]])
        assert reward([QUESTION], [CONTEXTS], [ANSWERS[1]]) == first[1:2]
    assert sorted(asked) == sorted(ANSWERS[:2])


def test_it_works_inside_another_event_loop(config):
    async def train():
        with judge_reward(config) as reward:
            return reward([QUESTION], [CONTEXTS], ANSWERS[:1])

    assert asyncio.run(train())[0] > 0.9


def test_a_lost_judge_is_a_temporary_failure(make):
    judge = make.config(judge_url="http://127.0.0.1:9/v1")
    judge = judge.model_copy(update={"reward_judge": judge.reward_judge.model_copy(update={"tries": 1})})
    with judge_reward(judge) as reward, pytest.raises(TransientError):
        reward([QUESTION], [CONTEXTS], ANSWERS[:1])
