from __future__ import annotations

import re

import pytest

from steps.govern.numbers import card, foreign_phone, iban, ip_address, luhn, resident_number


def test_check_digits():
    assert luhn("79927398713") and not luhn("79927398710")
    assert iban("GB29 NWBK 6016 1331 9268 19") and not iban("GB28 NWBK 6016 1331 9268 19")
    assert card("378282246310005") and not card("1234567812345678") and not card("0000000000000000")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("900101-1234567", True),
        ("901301-1234567", False),
        ("900230-1234567", False),
        ("9001011234568", True),
        ("9001011234567", False),
        ("1712121234567", False),
        ("외국인등록번호 9001015234567", True),
    ],
)
def test_resident_numbers(text, expected):
    match = re.search(r"\d{6}-?\d{7}", text)
    assert resident_number(text, match) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("203.0.113.7", True), ("127.0.0.1", False), ("0.0.0.0", False), ("999.1.1.1", False), ("::1", False), ("fe80::1:2", True)],
)
def test_addresses(text, expected):
    assert ip_address(text, re.search(".+", text)) is expected


def test_phone_with_country_code():
    assert foreign_phone("+49 151 12345678") and not foreign_phone("+999 1")
