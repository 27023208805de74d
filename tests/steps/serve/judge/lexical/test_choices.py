from __future__ import annotations

import pytest

from steps.serve.judge.lexical.choices import choice_support, options_of
from steps.serve.judge.lexical.claims import claim_of
from steps.serve.judge.lexical.passages import passage_of

BANDS = "Hole was formed in 1989 in Los Angeles. The Wolfhounds are a pop band formed in Romford in 1985."
TOWNS = "Wenling is a city in China. Mito is a city in Japan."


def chosen(question: str, answer: str, context: str) -> float | None:
    return choice_support(claim_of(answer, question), passage_of(context))


@pytest.mark.parametrize(
    ("question", "left", "right"),
    [
        ("Who is older Glenn Hughes or Ross Lynch?", "hugh", "lynch"),
        ("Which band was founded first, Hole, the band that Courtney Love led, or The Wolfhounds?", "hol", "wolfhound"),
        ("Are Wenling and Mito both in China?", "wenl", "mito"),
        ("Between Kim Clijsters and Mary Pierce, who is older?", "clijst", "pierc"),
    ],
)
def test_options_of(question, left, right):
    options = options_of(question)
    assert options is not None
    assert any(stem.startswith(left[:4]) for stem in options.left)
    assert any(stem.startswith(right[:4]) for stem in options.right)


@pytest.mark.parametrize(
    "question", ["Which port does Silver Falcon use?", "What is bread and butter?", "", "or or or", "and?", "Is it so?"]
)
def test_questions_without_options(question):
    assert options_of(question) is None


def test_comparison_in_time_follows_the_years():
    question = "Which band was founded first, Hole or The Wolfhounds?"
    assert chosen(question, "The Wolfhounds", BANDS) > 0.5 > chosen(question, "Hole was first.", BANDS)
    question = "Which band is younger, Hole or The Wolfhounds?"
    assert chosen(question, "Hole", BANDS) > 0.5 > chosen(question, "The Wolfhounds", BANDS)


def test_predicate_beside_the_option_decides():
    question = "Which city is in Japan, Wenling or Mito?"
    assert chosen(question, "Mito", TOWNS) > 0.5 > chosen(question, "Wenling is in Japan.", TOWNS)


def test_both_is_no_answer_to_a_choice():
    assert chosen("Which city is in Japan, Wenling or Mito?", "Both Wenling and Mito are in Japan.", TOWNS) < 0.5


def test_yes_needs_the_predicate_at_both():
    question = "Are Wenling and Mito both in China?"
    assert chosen(question, "no", TOWNS) > 0.5 > chosen(question, "yes", TOWNS)
    question = "Are Wenling and Mito both a city?"
    assert chosen(question, "yes", TOWNS) > 0.5 > chosen(question, "no", TOWNS)


def test_without_a_choice_there_is_no_opinion():
    assert chosen("Which port does Silver Falcon use?", "8443", "Silver Falcon listens on port 8443.") is None
