from __future__ import annotations

import pytest

from steps.govern.pii import phones
from steps.govern.pii.checks import Hit
from steps.govern.pii.fold import fold


def value(check, text, before="", digits=(7, 15)):
    start = len(before)
    place = Hit(fold(before + text), start, start + len(text), 0, digits)
    span = check(place)
    return None if span is None else place.text.plain[slice(*span)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 151 12345678", "+49 151 12345678"),
        ("+44(0)20 7946 0958", "+44(0)20 7946 0958"),
        ("+999 1234567", None),
        ("+82 10-1234-5678 2024", "+82 10-1234-5678"),
    ],
)
def test_numbers_with_a_country_code(text, expected):
    result = value(phones.phone_plus, text)
    assert result == expected or (expected and result and result.startswith(expected))


@pytest.mark.parametrize(
    ("text", "valid"),
    [("010-1234-5678", True), ("020 7946 0958", True), ("0612345678", True), ("01-02-2023", False), ("0000000000", False)],
)
def test_national_numbers(text, valid):
    assert (value(phones.phone_national, text) is not None) is valid


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        ("phone: ", "555 1234 next", "555 1234"),
        ("phone (", "415) 555-2671", "(415) 555-2671"),
        ("tel:+", "4930123456", "+4930123456"),
        ("phone since ", "2019-01-15", None),
        ("call_a", "1234567", None),
        ("phone ", "123", None),
    ],
)
def test_labelled_numbers(before, text, expected):
    assert value(phones.phone, text, before) == expected
