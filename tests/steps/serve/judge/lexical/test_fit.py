from __future__ import annotations

import pytest

from steps.serve.judge.lexical.claims import claim_of
from steps.serve.judge.lexical.fit import fit
from steps.serve.judge.lexical.passages import passage_of

PASSAGE = passage_of("Ada Brown founded Lumen Works in 1988 in Oslo. It employs 350 people. Carl Green sold Ember in Paris in 1960.")


@pytest.mark.parametrize(
    ("question", "right", "other"),
    [
        ("In what year was Lumen Works founded?", "1988", "1960"),
        ("How many people does Lumen Works employ?", "350", "Oslo"),
        ("Who founded Lumen Works?", "Ada Brown", "1988"),
        ("Who sold Ember?", "Carl Green", "Ada Brown"),
        ("When was Lumen Works founded?", "1988", "Paris"),
    ],
)
def test_the_right_value_fits_better(question, right, other):
    assert fit(claim_of(right, question), PASSAGE) > fit(claim_of(other, question), PASSAGE)


@pytest.mark.parametrize("question", ["", "Who?", "서울은 어디입니까?"])
def test_fit_is_a_ratio(question):
    assert 0.0 <= fit(claim_of("Oslo", question), PASSAGE) <= 1.0
    assert 0.0 <= fit(claim_of("absent", question), ()) <= 1.0
