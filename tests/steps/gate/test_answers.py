from __future__ import annotations

import re

import pytest

from steps.gate.answers import is_fluent, is_refusal, length_words, restates_gold
from steps.store.golden import GoldenItem


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n",
        "It depends on the setup.",
        "I am not sure about that.",
        "Please check the dashboard page.",
        "I don't know.",
        "I don’t know",
        "Sorry, I cannot help with that.",
        "The context does not mention the port.",
        "I'm unable to answer.",
        "It cannot be determined.",
        "There is not enough information.",
        "As an AI, I have no access.",
    ],
)
def test_refusals(answer):
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer", ["The port is 8443.", "According to the context, Aurora is owned by team Lynx.", "Latency depends on load: 20 ms.", "8"]
)
def test_answers_that_commit(answer):
    assert not is_refusal(answer)


@pytest.mark.parametrize(
    ("answer", "fluent"),
    [
        ("The port is 8443.", True),
        ("Really?", True),
        ('He said "yes."', True),
        ("예, 8443입니다。", True),
        ("Line one.\nLine two.", True),
        ("", False),
        ("The port is", False),
        ("the the the the the.", False),
        ("port is 1 port is 1.", False),
        ("Bad \x00 byte.", False),
        ("�\x1b.", False),
    ],
)
def test_form_without_a_pattern(answer, fluent):
    assert is_fluent(answer, None) is fluent


def test_a_pattern_must_match_the_whole_answer():
    pattern = re.compile(r"Port \d+\.")
    assert is_fluent(" Port 1. ", pattern)
    assert not is_fluent("Port 1. Port 2.", pattern)


def item(gold="8443", statement=None):
    return GoldenItem(id="1", question="?", messages=({"role": "user"},), gold=gold, statement=statement)


@pytest.mark.parametrize(
    ("answer", "restated"),
    [("It is 8443.", True), ("8443", True), ("84430", False), ("It is 844.", False), ("", False)],
)
def test_the_gold_value_is_whole_words(answer, restated):
    assert restates_gold(answer, item()) is restated


def test_the_statement_must_be_there_too():
    gold = item(statement="Aurora listens on port 8443.")
    assert restates_gold("According to the context, aurora listens on port 8443!", gold)
    assert not restates_gold("Aurora listens on 8443.", gold)


def test_values_of_several_words():
    assert restates_gold("It is in eu west 1.", item(gold="eu-west-1"))


def test_no_gold_value_is_not_a_miss():
    assert restates_gold("anything", item(gold=None)) is None


def test_length_counts_words():
    assert length_words("  two\nwords ") == 2
