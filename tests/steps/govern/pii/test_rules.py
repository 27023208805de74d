from __future__ import annotations

from typing import get_args

import pytest
import re2

from steps.contract.config.govern import PersonalKind
from steps.govern.pii.rules import rules, tables, widen, words_pattern


def test_every_kind_has_rules_and_every_rule_a_kind():
    kinds = {rule.kind for rule in rules()}
    assert kinds <= set(get_args(PersonalKind))
    assert set(get_args(PersonalKind)) - kinds == {"encoded"}, "wrapped text has no pattern of its own"


def test_fifty_vendors_mark_their_keys():
    assert len(tables()["secrets"]["keys"]) >= 50


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a{0,3}b{1,4}c{2,5}d{16,}e{3}", "a*b+c{2,}d{12,}e{3}"),
        (r"[a{1,2}]\{1,2}x{1,64}@", r"[a{1,2}]\{1,2}x+@"),
    ],
)
def test_widened_pattern(pattern, expected):
    assert widen(pattern, 12) == expected


@pytest.mark.parametrize("text", ["phone number: 1", "phone_number=", "phoneNumber", "PHONE-NUMBERS", "my phone"])
def test_words_stand_in_any_spelling(text):
    assert re2.search(f"(?i){words_pattern(['phone number', 'phone'])}", text)


def test_words_do_not_stand_in_others():
    assert not re2.search(f"(?i){words_pattern(['pin'])}", "shopping spinner")
    assert re2.search(words_pattern(["telefon*"]), "Nr telefonu")
