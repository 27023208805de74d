from __future__ import annotations

import random

import pytest

from steps.govern.pii.fold import OTHER, fold


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("０１０－１２３４", b"010-1234"),
        ("٠١٢ ①② Ünïcödé", b"012 12 Unicode"),
        ("a–b—c−d\u00a0e\u3000f", b"a-b-c-d e f"),
        ("번호010", b"\x02\x02010"),
        ("090ー1234・5", b"090-1234.5"),
        ("a\0b", b"a\x02b"),
        (r"said \n123\t4 \"x\"", b'said  \n123  4  "x "'),
        ("“q” ’s", b'"q" \'s'),
    ],
)
def test_signs(text, signs):
    assert fold(text).signs == signs


def test_invisible_characters_are_left_out_and_positions_stay():
    text = "x\u200b4\u00ad1\ufeff1\u0301z"
    folded = fold(text)
    assert folded.signs == b"x411z"
    assert text[slice(*folded.span(1, 4))] == "4\u00ad1\ufeff1"
    assert folded.span(2, 2) == (2, 2)


def test_both_forms_have_the_same_characters_for_any_text():
    rng = random.Random(3)
    for _ in range(200):
        text = "".join(chr(rng.choice((rng.randrange(0x110000), rng.randrange(0x300), rng.randrange(0xAC00, 0xD7A4)))) for _ in range(40))
        folded = fold(text)
        assert len(folded.signs) == len(folded.plain) <= len(text)
        assert max(folded.signs, default=0) < 128
        for place, sign in enumerate(folded.plain):
            start = len(folded.plain[:place].encode())
            assert folded.position(start) == place
            if folded.signs[place] == OTHER and sign not in "\x02":
                assert text[folded.span(place, place + 1)[0]] == sign
