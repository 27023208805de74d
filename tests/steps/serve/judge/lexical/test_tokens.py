from __future__ import annotations

import pytest

from steps.serve.judge.lexical.tokens import NAME, NUMBER, WORD, fold, stem, tokenize


def stems(text: str) -> list[str]:
    return [token.stem for token in tokenize(text)[0]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2,523", "2523"),
        ("six", "6"),
        ("0.90", "0.9"),
        ("U.S.", "US"),
        ("D.C.", "DC"),
        ("Nürnberg", "Nurnberg"),
        ("ports", "port"),
        ("directed", "directors"),
        ("Conway's", "Conway"),
        ("Sang-Wook", "Sang Wook"),
        ("1980s", "1980"),
        ("서울은", "서울"),
        ("대한민국의", "대한민국"),
        ("Ｐｏｒｔ", "Port"),
    ],
)
def test_spellings_of_one_thing_are_equal(one, other):
    assert stems(one) == stems(other)


@pytest.mark.parametrize(("one", "other"), [("8443", "8444"), ("6.213", "6213"), ("12th", "12"), ("Lynx", "Heron"), ("서울", "부산")])
def test_different_things_stay_different(one, other):
    assert stems(one) != stems(other)


def test_kinds_and_weights():
    tokens, negations = tokenize("Silver Falcon listens on port 8443.")
    assert [(token.stem, token.kind) for token in tokens] == [
        ("silv", NAME),
        ("falcon", NAME),
        ("listen", WORD),
        ("port", WORD),
        ("8443", NUMBER),
    ]
    assert [token.weight for token in tokens] == [2.0, 2.0, 1.0, 1.0, 2.0]
    assert negations == ()


def test_negation_is_a_place_and_no_word():
    assert tokenize("It does not listen")[1] == (0,)
    assert tokenize("It isn't old, never was")[1] == (0, 1)
    assert tokenize("포트를 사용하지 않습니다")[1] != ()


def test_unspaced_scripts_become_character_pairs():
    assert set(stems("日本の首都")) & set(stems("首都は東京"))


def test_stop_words_say_nothing():
    assert stems("it is what it is") == []


@pytest.mark.parametrize("text", ["\ud800\udfff", "", "…—!?", "\x00", "²²²²", "ß" * 50, "a" * 10_000, "1," * 5_000])
def test_odd_text_is_read(text):
    tokenize(text)
    assert all(not "\ud800" <= char <= "\udfff" for char in fold(text))


def test_short_words_keep_their_letters():
    assert stem("bus") == "bus"
    assert stem("as") == "as"
