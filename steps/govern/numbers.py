"""Checks that tell a card, an account or a phone number from any other number."""

from __future__ import annotations

import ipaddress
import re
from datetime import date

_ACCOUNT_WORDS = re.compile(
    r"계좌|통장|은행|뱅크|입금|송금|이체|예금주|농협|신협|수협|새마을|우체국|account|bank|iban|wire|deposit", re.IGNORECASE
)
_PHONE_WORDS = re.compile(
    r"(?:\b(?:call|phone|telephone|tel|mobile|cell|cellphone|whatsapp|fax|sms|text me|reach me|hotline|contact)\b"
    r"|전화|연락처|휴대폰|핸드폰|휴대전화|폰번호|팩스|번호는)[^\d\n]{0,24}$",
    re.IGNORECASE,
)
_RESIDENT_WORDS = re.compile(r"주민|외국인\s*등록|등록\s*번호|resident|\brrn\b|\barc\b", re.IGNORECASE)
_VERSION_WORDS = re.compile(r"(?:\bv|version|ver\.?|release|버전|section|clause)\s*$", re.IGNORECASE)
_CONTEXT_CHARACTERS = 40


def _before(text: str, match: re.Match[str]) -> str:
    return text[max(0, match.start() - _CONTEXT_CHARACTERS) : match.start()]


def _around(text: str, match: re.Match[str]) -> str:
    return _before(text, match) + " " + text[match.end() : match.end() + _CONTEXT_CHARACTERS // 2]


def luhn(digits: str) -> bool:
    """Whether the check digit holds."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card(text: str) -> bool:
    """A payment card: 13-19 digits of a known network range whose check digit holds."""
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 1 and luhn(digits)


def iban(text: str) -> bool:
    """An international bank account number: mod 97 leaves 1."""
    compact = text.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    rotated = compact[4:] + compact[:4]
    return int("".join(str(int(sign, 36)) for sign in rotated)) % 97 == 1


def resident_number(text: str, match: re.Match[str]) -> bool:
    """A Korean resident or foreigner registration number.

    The birth date must exist. Since October 2020 the last digits are random, so a number written
    with its dash needs no check digit; 13 digits in one piece need it or a word that says so.
    """
    digits = re.sub(r"\D", "", match[0])
    century = {"1": 1900, "2": 1900, "5": 1900, "6": 1900, "3": 2000, "4": 2000, "7": 2000, "8": 2000}[digits[6]]
    try:
        date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return False
    if "-" in match[0] or _RESIDENT_WORDS.search(_before(text, match)):
        return True
    total = sum(int(digit) * weight for digit, weight in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=False))
    return int(digits[12]) in ((11 - total % 11) % 10, (13 - total % 11) % 10)


def account_context(text: str, match: re.Match[str]) -> bool:
    """A bank account: digits in groups beside a word for accounts; a date is none."""
    digits = re.sub(r"\D", "", match[0])
    if not 10 <= len(digits) <= 16 or re.fullmatch(r"(?:19|20)\d\d-\d\d-\d\d(?:-\d+)?", match[0]):
        return False
    return bool(_ACCOUNT_WORDS.search(_around(text, match)))


def phone_context(text: str, match: re.Match[str]) -> bool:
    """A number of 7-15 digits right after a word for telephones; a date is none."""
    digits = re.sub(r"\D", "", match[0])
    if not 7 <= len(digits) <= 15 or re.match(r"(?:19|20)\d\d[-. ]\d\d[-. ]\d\d", match[0]):
        return False
    return bool(_PHONE_WORDS.search(_before(text, match)))


def foreign_phone(text: str) -> bool:
    """A number with a country code whose length that country uses."""
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return False


def ip_address(text: str, match: re.Match[str]) -> bool:
    """An address that can belong to someone: no loopback, no wildcard, no version number, no `a::b` of a program."""
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified:
        return False
    if address.version == 6:
        return len([part for part in match[0].split(":") if part]) >= 3 and any(sign.isdigit() for sign in match[0])
    return not _VERSION_WORDS.search(_before(text, match))
