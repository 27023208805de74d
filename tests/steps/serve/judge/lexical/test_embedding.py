from __future__ import annotations

import math
from array import array

import pytest

from steps.serve.judge.lexical.embedding import DIMENSIONS, embed


def cosine(one: str, other: str) -> float:
    first, second = array("f", embed(one)), array("f", embed(other))
    return sum(a * b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("text", ["Silver Falcon", "", "the of and", "!!!", "\ud800", "서울", "漢字" * 200, "x" * 200_000])
def test_every_text_has_a_unit_vector(text):
    vector = array("f", embed(text))
    assert len(vector) == DIMENSIONS
    assert math.isclose(sum(value * value for value in vector), 1.0, rel_tol=1e-4)


def test_related_texts_are_nearer():
    question = "Which port does the Silver Falcon use?"
    assert cosine(question, "What about the Silver Falcon listens on port?") > 0.8
    assert cosine(question, "What about Brisk Otter runs in region?") < 0.3
    assert cosine("서울의 수도", "서울은") > 0.4
