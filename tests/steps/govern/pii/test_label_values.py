from __future__ import annotations

import pytest

from steps.govern.pii import scan


def values(text, kind):
    return [text[item.start : item.end] for item in scan.find(text) if item.kind == kind]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("national_id", "SSN 123456789 and more", "123456789"),
        ("national_id", "123456789 is my SSN", "123456789"),
        ("national_id", "NHS number 943 476 5919.", "943 476 5919"),
        ("national_id", "Emirates ID: 784-1990-1234567-1", "784-1990-1234567-1"),
        ("document", "Passport no. AB1234567 expires 2030", "AB1234567"),
        ("document", "여권번호는 M12345678입니다", "M12345678"),
        ("account", "110-123-456789 (신한은행)", "110-123-456789"),
        ("secret", "Your verification code is 839201.", "839201"),
        ("secret", "PIN: 482 913", "482 913"),
        ("date_of_birth", "I was born on March 2, 1990", "March 2, 1990"),
        ("date_of_birth", "생년월일: 1990년 5월 4일", "1990년 5월 4일"),
        ("date_of_birth", "1980-05-12 (DOB)", "1980-05-12"),
        ("address", "PLZ 10115", "10115"),
    ],
)
def test_value_beside_its_label(kind, text, expected):
    assert expected in values(text, kind)


@pytest.mark.parametrize(
    "text",
    [
        "SSN has 9 digits",
        "account opened 2024-01-15",
        "account balance 1,250,000",
        "PIN has 4 digits",
        "the code 404 means that a page is missing",
        "passport order 123456789",
        "bank holiday in 2024",
        "a nice birthday in 10 days",
        "hash cc4d485ea734c0c1fcb2e011c28c",
    ],
)
def test_other_numbers_beside_a_label(text):
    assert scan.find(text) == []
