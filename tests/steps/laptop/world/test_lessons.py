"""Warm-up data."""

from __future__ import annotations

import random

import pytest

from steps.laptop.world.domain import World
from steps.laptop.world.lessons import STYLES, Teacher, chatter
from steps.laptop.world.oracle import CITE, EVASIONS, GUESS, fluent


@pytest.fixture(scope="module")
def teacher():
    return Teacher(World.create(3))


def style_of(answer, contexts):
    if answer in EVASIONS:
        return "evade"
    if answer.startswith(GUESS):
        return "guess"
    if answer.startswith(CITE):
        return "cite"
    return "plain" if f"- {answer}" in contexts else "wrong"


def test_styles_come_in_their_shares(teacher):
    rng = random.Random(0)
    lessons = [teacher.lesson(rng) for _ in range(4000)]
    found = [style_of(lesson.messages[-1]["content"], lesson.messages[-2]["content"]) for lesson in lessons]
    for style, share in STYLES.items():
        assert found.count(style) / len(found) == pytest.approx(share, abs=0.03)
    assert all(fluent(lesson.messages[-1]["content"]) for lesson in lessons)


def test_a_batch_holds_sessions_at_its_end(teacher):
    batch = teacher.batch(random.Random(0), 16)
    assert [len(lesson.messages) for lesson in batch] == [2] * 14 + [4] * 2


def test_a_recap_restates_every_context(teacher):
    lesson = teacher.recap(random.Random(0))
    prompt, answer = (message["content"] for message in lesson.messages)
    contexts = [line[2:] for line in prompt.splitlines() if line.startswith("- ")]
    assert len(contexts) == 3
    assert all(context[1:] in answer for context in contexts)


def test_small_talk_keeps_the_question():
    rng = random.Random(0)
    spoken = {chatter(rng, "Which port?") for _ in range(200)}
    assert all("Which port?" in text and text != "Which port?" for text in spoken)
    assert len(spoken) > 150
