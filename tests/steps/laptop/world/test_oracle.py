"""The checks that no judge takes part in."""

from __future__ import annotations

import random
import re

import pytest

from steps.laptop.world.domain import World, statement
from steps.laptop.world.lessons import STYLES, Teacher
from steps.laptop.world.oracle import CITE, EVASIONS, FLUENCY_PATTERN, GUESS, fluent, gold_restated

ITEM = World.create(0).golden_items[-1]


def lowered(text):
    return text[0].lower() + text[1:]


def test_true_answers_are_restated_in_every_style():
    for answer in (ITEM.statement, CITE + lowered(ITEM.statement), GUESS + lowered(ITEM.statement)):
        assert gold_restated(answer, ITEM) and fluent(answer)


def test_made_up_answers_are_fluent_but_not_restated():
    value = Teacher(World.create(1)).value(random.Random(0), ITEM.entity, ITEM.attribute, but=ITEM.value)
    made_up = statement(ITEM.entity, ITEM.attribute, value)
    assert fluent(made_up) and not gold_restated(made_up, ITEM)
    for evasion in EVASIONS:
        assert fluent(evasion) and not gold_restated(evasion, ITEM)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "The Silver Falcon.",
        "The Silver Falcon listens on port Osprey.",
        "The Silver Falcon listens on port 8443",
        "The Silver Falcon listens on port 8443. It depends on the setup.",
        "the Silver Falcon listens on port 8443.",
        "According to the context, The Silver Falcon listens on port 8443.",
        "The Falcon Silver listens on port 8443.",
        "The Purple Falcon listens on port 8443.",
    ],
)
def test_broken_sentences_are_not_fluent(answer):
    assert not fluent(answer)


def test_the_pattern_works_without_this_module():
    assert re.match(FLUENCY_PATTERN, ITEM.statement)
    assert not re.match(FLUENCY_PATTERN, ITEM.statement + " More.")


def test_the_first_model_is_taught_to_be_about_half_faithful():
    assert sum(STYLES.values()) == pytest.approx(1)
    assert 0.50 <= STYLES["cite"] + STYLES["plain"] <= 0.60
