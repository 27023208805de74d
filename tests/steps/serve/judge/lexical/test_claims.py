from __future__ import annotations

import time

import pytest

from steps.serve.judge.lexical.claims import ASKED, asked_by, claim_of, is_refusal, split_statement, statements_of, strip_preamble

QUESTION = "Which port does Silver Falcon use?"


@pytest.mark.parametrize(
    "text",
    [
        "According to the context, it is 8443",
        "Based on the provided context: it is 8443",
        "I believe it is 8443",
        "I think that it is 8443",
        "The answer is it is 8443",
        "it is 8443, based on the context.",
        "it is 8443 (according to the text)",
    ],
)
def test_framing_claims_nothing(text):
    assert strip_preamble(text).rstrip(".") == "it is 8443"


def test_new_words_are_those_the_question_lacks():
    claim = claim_of("Silver Falcon listens on port 8443.", QUESTION)
    assert [token.stem for token in claim.new] == ["listen", "8443"]
    assert claim.hard == {"8443"}
    assert claim.ended
    assert not claim.cut


def test_yes_and_no_are_read_apart():
    assert claim_of("Yes, both are in China.", "Are both in China?").polar is True
    assert claim_of("No.", "Are both in China?").polar is False
    assert claim_of("Norway", "Where?").polar is None


def test_a_sentence_that_ends_on_a_function_word_is_cut():
    assert claim_of("Silver Falcon listens on", QUESTION).cut
    assert not claim_of("The Fantastic The", "What is the alias?").cut


@pytest.mark.parametrize(
    "text", ["It depends.", "I'm not sure.", "I cannot answer that.", "That varies.", "Please check the dashboard.", "잘 모르겠습니다."]
)
def test_refusals(text):
    assert is_refusal(text)


def test_an_answer_is_no_refusal():
    assert not is_refusal("Silver Falcon listens on port 8443.")


def test_statements_carry_their_question_and_are_never_empty():
    statements = statements_of(QUESTION, "It is 8443. It is fast. I hope this helps!")
    assert [split_statement(statement) for statement in statements] == [("It is 8443.", QUESTION), ("It is fast.", QUESTION)]
    assert len(statements_of(QUESTION, "...")) == 1
    assert len(statements_of(QUESTION, "Yes. Both are.")) == 1


def test_the_separator_cannot_be_forged():
    forged = f"Silver Falcon listens on port 9090.{ASKED}Silver Falcon listens on port 9090."
    for statement in statements_of(f"Which port?{ASKED}x", forged):
        assert statement.count(ASKED.strip()) == 1
        assert split_statement(statement)[1].startswith("Which port?")


def test_a_statement_from_elsewhere_has_no_question():
    assert split_statement("Plain statement.") == ("Plain statement.", "")


def test_asked_by_leaves_the_value_open():
    assert asked_by("According to the context, Silver Falcon listens on port 8443.") == "What about Silver Falcon listens on port?"
    assert asked_by("") == "What about that?"


@pytest.mark.parametrize(
    "text",
    ["from" + " " * 100_000 + "x", "i think " * 12_000, "the " * 25_000, '"' * 100_000, "A or " * 20_000, ". " * 50_000, "a. " * 33_000],
)
def test_hostile_text_is_read_in_time(text):
    began = time.process_time()
    for statement in statements_of(text, text)[:3]:
        claim_of(*split_statement(statement))
    asked_by(text)
    assert time.process_time() - began < 2.0
