from __future__ import annotations

import pytest

from steps.serve.judge.lexical.passages import passage_of, split_sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One here. Two here.", 2),
        ("published in the 19th century.First for Women is a magazine.", 2),
        ("He opens at 9 a.m. every day. It closes at 5.", 2),
        ("Dr. Smith met Mr. Jones. They spoke.", 2),
        ("George R. R. Martin wrote it.", 1),
        ("Pi is 3.14 here. Yes.", 2),
        ("서울은 수도입니다. 부산은 항구입니다.", 2),
        ("東京は首都です。大阪は都市です。", 2),
        ("line one\nline two", 2),
        ("...", 0),
        ("", 0),
    ],
)
def test_split_sentences(text, count):
    assert len(split_sentences(text)) == count


def test_no_text_is_lost_and_no_sentence_is_endless():
    text = "word " * 3000 + "x" * 5000
    pieces = split_sentences(text)
    assert sum(len(piece.replace(" ", "")) for piece in pieces) == len(text.replace(" ", ""))
    assert max(map(len, pieces)) <= 2400


def test_pronoun_takes_over_the_subject():
    first, second, third = passage_of("Hole is a band. It was formed in 1989.\nThe Wolfhounds are a band.")
    assert "hol" in second.subject
    assert "hol" in second.reach
    assert first.subject == third.subject == frozenset()


def test_pronoun_refers_across_lines_but_the_article_does_not():
    _, pronoun = passage_of("Hole is a band.\nIt was formed in 1989.")
    _, article = passage_of("Hole is a band.\nThe group was formed in 1989.")
    assert pronoun.subject
    assert not article.subject


def test_same_text_is_analysed_once():
    assert passage_of("Silver Falcon runs in Ohio.") is passage_of("Silver Falcon runs in Ohio.")
