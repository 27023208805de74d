from __future__ import annotations

import pytest

from steps.govern.pii import checks
from steps.govern.pii.checks import Hit
from steps.govern.pii.fold import fold


def hit(text, before="", after=""):
    start = len(before)
    return Hit(fold(before + text + after), start, start + len(text), start)


def value(check, text, **around):
    place = hit(text, **around)
    span = check(place)
    return None if span is None else place.text.plain[slice(*span)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("378282246310005", "378282246310005"),
        ("1234567812345678", None),
        ("4111 1111 1111 1111 12", "4111 1111 1111 1111"),
        ("2345 4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("4222222222222222", None),
        ("3.36259667635130", None),
        ("2 3 4 5 6 7 8 9 10 11 12 13 14", None),
    ],
)
def test_cards(text, expected):
    assert value(checks.card, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GB29 NWBK 6016 1331 9268 19", "GB29 NWBK 6016 1331 9268 19"),
        ("GB28 NWBK 6016 1331 9268 19", None),
        ("de89 3704 0044 0532 0130 00 bitte", "de89 3704 0044 0532 0130 00"),
        ("XX89 3704 0044 0532 0130 00", None),
        ("GB29NWBK60161331926819X", None),
    ],
)
def test_ibans(text, expected):
    assert value(checks.iban, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("900101-1234567", True),
        ("901301-1234567", False),
        ("900230-1234567", False),
        ("9001011234568", True),
        ("9001011234567", False),
        ("1712121234567", False),
    ],
)
def test_resident_numbers(text, expected):
    assert (value(checks.resident_number, text) is not None) is expected


@pytest.mark.parametrize(
    ("check", "valid", "invalid"),
    [
        (checks.us_ssn, "078-05-1120", "666-05-1120"),
        (checks.gb_nino, "AB123456C", "GB123456C"),
        (checks.de_pension, "65180539W001", "65180539W002"),
        (checks.sg_nric, "S1234567D", "S1234567E"),
        (checks.hk_id, "A123456(3)", "A123456(4)"),
        (checks.tw_id, "A123456789", "A123456788"),
        (checks.au_medicare, "2123 45670 1", "2123 45671 1"),
        (checks.by_stdnum("pl.pesel"), "44051401359", "44051401358"),
        (checks.by_stdnum("es.nie,es.dni"), "12345678Z", "12345678A"),
    ],
)
def test_national_ids(check, valid, invalid):
    assert value(check, valid) == valid
    assert value(check, invalid) is None


@pytest.mark.parametrize(
    ("text", "before", "after", "expected"),
    [
        ("203.0.113.7", "", "", True),
        ("203[.]0[.]113[.]7", "", "", True),
        ("127.0.0.1", "", "", False),
        ("999.1.1.1", "", "", False),
        ("1.2.3.4", "version ", "", False),
        ("120.0.0.0", "Chrome/", "", False),
        ("10.0.0.0", "", "/8", False),
        ("1.2.3.4", "", ".5", False),
    ],
)
def test_ipv4(text, before, after, expected):
    assert (value(checks.ipv4, text, before=before, after=after) is not None) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("::1", False), ("fe80::1:2", True), ("2001:db8::1", True), ("10:20:30", False), ("a::b", False)]
)
def test_ipv6(text, expected):
    assert (value(checks.ipv6, text) is not None) is expected


def test_numbers_that_go_on_are_parts():
    assert checks.is_part(hit("446655440000", before="41d4-a716-")) and checks.is_part(hit("14159265", before="3."))
    assert not checks.is_part(hit("446655440000", before="Tel.")) and not checks.is_part(hit("446655440000", before="no-"))


def test_words_before_a_number_say_that_it_is_something_else():
    assert all(map(checks.has_veto, ("order ", "Order number: ", "주문번호 ", "ISBN-13: ")))
    assert not any(map(checks.has_veto, ("card ", "border ", "I ordered it, call ")))


def test_what_lies_in_base64_is_there_by_chance():
    assert checks.is_in_blob(hit("AB123456C", before="x" * 50, after="/y" * 30))
    assert not checks.is_in_blob(hit("AB123456C", before="x" * 50 + " ", after="/y" * 30))


def test_number_in_the_path_of_a_url():
    assert checks.is_in_path(hit("0612345678", before="https://example.com/orders/"))
    assert not checks.is_in_path(hit("0612345678", before="https://example.com/?phone="))
