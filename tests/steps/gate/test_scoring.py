from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

import numpy as np
import pytest

from steps.contract.errors import TransientError
from steps.gate.scoring import score_answers
from steps.gate.suite import Answer


@dataclass
class Scores:
    faithfulness: float | None = 1.0
    answer_relevancy: float | None = 0.5
    error: str = ""
    calls: int = 3


class Judge:
    def __init__(self, answer=lambda text: Scores()):
        self.answer, self.asked = answer, []

    async def score(self, question, contexts, answer):
        self.asked.append((question, contexts, answer))
        await asyncio.sleep(0)
        return self.answer(answer)


def answer(item=0, sample=0, arm="champion", text="yes", error=""):
    return Answer(item, sample, arm, text, 1.0, error)


def score(golden, answers, judge):
    return asyncio.run(score_answers(golden, answers, judge, 4))


def test_equal_answers_to_a_question_are_judged_once(make_golden):
    judge = Judge()
    answers = [answer(), answer(arm="candidate"), answer(sample=1, text="no"), answer(item=1)]
    scored = score(make_golden(2), answers, judge)
    assert sorted(text for _, _, text in judge.asked) == ["no", "yes", "yes"]
    assert (scored.judged, scored.calls, scored.first_error) == (3, 9, "")
    assert scored.values["faithfulness"].tolist() == [1.0] * 4


def test_an_empty_answer_is_worth_nothing_and_a_missing_one_is_unknown(make_golden):
    judge = Judge()
    scored = score(make_golden(1), [answer(text=" "), answer(error="HTTP 500", text="")], judge)
    assert judge.asked == []
    assert scored.values["faithfulness"][0] == 0.0
    assert math.isnan(scored.values["faithfulness"][1])


@pytest.mark.parametrize("value", [None, math.nan, 1.5, -0.5, math.inf])
def test_what_is_no_score_is_unknown(make_golden, value):
    scored = score(make_golden(1), [answer()], Judge(lambda text: Scores(faithfulness=value, error="unreadable")))
    assert np.isnan(scored.values["faithfulness"]).all()
    assert scored.values["answer_relevancy"].tolist() == [0.5]
    assert scored.first_error == "unreadable"


def test_a_judge_that_is_away_ends_the_gate(make_golden):
    def away(text):
        raise TransientError("judge is away")

    with pytest.raises(TransientError, match="away"):
        score(make_golden(1), [answer()], Judge(away))
