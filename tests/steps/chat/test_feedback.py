from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from steps.chat.feedback import Consent, Ignored, Refused, Verdict, Vote, combine, verdict_of
from steps.contract.config import FeedbackConfig, FeedbackRule, PipelineConfig

RULES = FeedbackConfig()


@pytest.mark.parametrize(
    ("name", "data_type", "number", "label", "value"),
    [
        ("user_feedback", "NUMERIC", 1, "", 1.0),
        ("user-feedback", "NUMERIC", 0.0, "", 0.0),
        ("User Feedback", "BOOLEAN", True, "", 1.0),
        ("user.feedback", "BOOLEAN", 0, "False", 0.0),
        ("accepted", "BOOLEAN", None, "True", 1.0),
        ("thumbs", "CATEGORICAL", None, "Thumbs-Up", 1.0),
        ("thumbs", "CATEGORICAL", 3, "down", 0.0),
        ("user-feedback", "CATEGORICAL", None, "neutral", 0.5),
        ("rating", "NUMERIC", 4, "", 0.75),
        ("stars", "NUMERIC", 1, "", 0.0),
        ("csat", "NUMERIC", 5.0, "", 1.0),
        ("nps", "NUMERIC", 9, "", 0.9),
        ("sentiment", "NUMERIC", -1, "", 0.0),
        ("feedback", "", True, "", 1.0),
        ("feedback", "", 0, "", 0.0),
        ("feedback", "", None, "positive", 1.0),
    ],
)
def test_common_scores_need_no_configuration(name, data_type, number, label, value):
    verdict = verdict_of(name, data_type, number, label, "API", RULES)
    assert isinstance(verdict, Verdict)
    assert verdict.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("score", "result"),
    [
        (("rating", "NUMERIC", 0, "", "API"), Refused("feedback-out-of-range")),
        (("user_feedback", "NUMERIC", -1, "", "API"), Refused("feedback-out-of-range")),
        (("user_feedback", "NUMERIC", math.nan, "", "API"), Refused("feedback-out-of-range")),
        (("user_feedback", "NUMERIC", math.inf, "", "API"), Refused("feedback-out-of-range")),
        (("accepted", "BOOLEAN", 0.5, "", "API"), Refused("feedback-out-of-range")),
        (("user_feedback", "NUMERIC", None, "", "API"), Refused("feedback-without-value")),
        (("thumbs", "CATEGORICAL", 1, "", "API"), Refused("feedback-without-value")),
        (("thumbs", "CATEGORICAL", 1, "sideways", "API"), Refused("feedback-unmapped-label")),
        (("user_rating", "NUMERIC", 1, "", "API"), Refused("feedback-unmapped-type")),
        (("quality", "NUMERIC", 1, "", "API"), Refused("feedback-unmapped")),
        (("user_feedback", "NUMERIC", 1, "", "EVAL"), Ignored("feedback-source")),
        (("user_feedback", "NUMERIC", 1, "", "ANNOTATION"), Ignored("annotation-without-author")),
        (("user_feedback", "TEXT", 0, "It was bad.", "API"), Ignored("feedback-text")),
        (("user_feedback", "CORRECTION", None, "Better.", "API"), Ignored("feedback-correction")),
        (("ctp.reward", "NUMERIC", 1, "", "API"), Ignored("feedback-ignored")),
        (("consent", "CATEGORICAL", 0, "withdrawn", "API"), Consent("withdrawn")),
        (("user-consent", "BOOLEAN", 0, "False", "API"), Consent("False")),
        (("consent", "BOOLEAN", False, "", "API"), Consent("false")),
        (("consent", "TEXT", 0, " withdrawn ", "EVAL"), Consent("withdrawn")),
        (("consent", "NUMERIC", 7, "", "ANNOTATION"), Consent("7")),
        (("consent", "NUMERIC", None, "", "API"), Refused("feedback-without-value")),
    ],
)
def test_what_is_no_verdict(score, result):
    assert verdict_of(*score, RULES) == result


def test_a_person_who_annotates_is_heard():
    assert verdict_of("user_feedback", "NUMERIC", 1, "", "ANNOTATION", RULES, author="u1") == Verdict("user_feedback", 1.0)


def test_rules_of_a_configuration():
    rules = PipelineConfig.model_validate(
        {
            "feedback": {
                "rules": [
                    {"name": ["Grade"], "type": "numeric", "range": [6, 1]},
                    {"name": ["mood*"], "type": "categorical", "map": {"So-so": 0.5}},
                    {"name": ["noise"], "as": "ignore"},
                ],
                "sources": ["eval"],
            }
        }
    ).feedback
    assert verdict_of("grade", "NUMERIC", 1, "", "EVAL", rules) == Verdict("grade", 1.0)
    assert verdict_of("grade", "NUMERIC", 6, "", "EVAL", rules) == Verdict("grade", 0.0)
    assert verdict_of("mood-today", "CATEGORICAL", None, "so so", "EVAL", rules) == Verdict("mood_today", 0.5)
    assert verdict_of("noise", "NUMERIC", 1, "", "API", rules) == Ignored("feedback-ignored")
    assert PipelineConfig.model_validate(PipelineConfig(feedback=rules).model_dump(mode="json")).feedback == rules


@pytest.mark.parametrize(
    "rule",
    [
        {"name": []},
        {"name": ["x"]},
        {"name": ["x"], "type": "numeric"},
        {"name": ["x"], "type": "numeric", "range": [1, 1]},
        {"name": ["x"], "type": "numeric", "range": [0, float("inf")]},
        {"name": ["x"], "type": "boolean", "range": [0, 1]},
        {"name": ["x"], "type": "categorical"},
        {"name": ["x"], "type": "categorical", "map": {"up": 2}},
        {"name": ["x"], "as": "ignore", "map": {"up": 1}},
    ],
)
def test_rules_that_mean_nothing_are_refused(rule):
    with pytest.raises(ValidationError):
        FeedbackRule.model_validate(rule)


@given(
    st.sampled_from(("user_feedback", "rating", "consent", "ctp.x", "")) | st.text(),
    st.sampled_from(("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION", "")) | st.text(),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
    st.text(),
    st.sampled_from(("API", "ANNOTATION", "EVAL", "")) | st.text(),
    st.text(max_size=3),
)
def test_every_score_has_a_meaning(name, data_type, number, label, source, author):
    result = verdict_of(name, data_type, number, label, source, RULES, author)
    assert isinstance(result, (Verdict, Consent, Ignored, Refused))
    assert not isinstance(result, Verdict) or 0 <= result.value <= 1


def test_votes():
    assert combine([]) is None
    changed = [Vote("thumbs", "u1", 1, 1.0), Vote("thumbs", "u1", 2, 0.0)]
    assert combine(changed) == combine(changed[::-1]) == 0.0, "a changed thumb"
    assert combine([Vote("user_feedback", "", 1, 1.0), Vote("user-feedback", "", 1, 1.0), Vote("thumbs", "u1", 1, 0.0)]) == 0.5
    assert combine([Vote("thumbs", "u1", 1, 1.0), Vote("stars", "u1", 1, 1.0), Vote("thumbs", "u2", 1, 0.0)]) == 0.5, "a person counts once"
    assert combine([Vote("thumbs", "u1", 1, 1.0), Vote("thumbs", "u1", 1, 0.0)]) == 0.0, "at one instant the worse vote"


@given(
    st.lists(st.builds(Vote, st.sampled_from("ab"), st.sampled_from("uv"), st.integers(0, 3), st.sampled_from((0.0, 0.1, 0.7, 1.0)))),
    st.randoms(),
)
def test_the_order_of_votes_does_not_matter(votes, draw: random.Random):
    shuffled = [*votes, *votes[:2]]
    draw.shuffle(shuffled)
    assert combine(votes) == combine(shuffled)
