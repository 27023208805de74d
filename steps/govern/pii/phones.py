"""Telephone numbers: which digits could be called, by phonenumbers' metadata."""

from __future__ import annotations

import functools
import re

from steps.govern.pii.checks import DATE, Hit, Span, digits_of

_ZERO_REGIONS = (
    "KR",
    "GB",
    "FR",
    "DE",
    "JP",
    "AU",
    "NL",
    "IT",
    "CH",
    "AT",
    "SE",
    "BE",
    "TR",
    "ZA",
    "IN",
    "FI",
    "NZ",
    "IE",
    "CN",
    "TW",
    "ID",
    "TH",
    "VN",
    "MY",
    "PH",
    "IL",
    "AE",
    "EG",
    "NG",
    "KE",
    "AR",
    "RO",
    "UA",
    "BG",
    "HR",
    "PK",
)
_MOBILE_REGIONS = ("KR", "FR", "GB", "DE", "NL", "AU", "JP", "CH", "BE", "TR", "SE", "ZA", "TW", "ID", "IE")
_GROUPED_REGIONS = ("CN", "IN", "BR", "ES", "US", "PL", "MX", "DK", "NO")


@functools.lru_cache(maxsize=16384)
def _is_possible(number: str) -> bool:
    """Whether a number has the code of a country and a length that telephone numbers have."""
    import phonenumbers

    try:
        phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return False
    return 8 <= len(number) - 1 <= 15


@functools.lru_cache(maxsize=16384)
def _is_valid(digits: str, regions: tuple[str, ...], mobile: bool = False) -> bool:
    """Whether a number is assigned in one of the regions; `mobile`: to mobile telephones."""
    import phonenumbers

    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    for region in regions:
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number_for_region(number, region) and (not mobile or phonenumbers.number_type(number) in kinds):
            return True
    return False


def _cuts(hit: Hit) -> list[int]:
    """Ends of the match's groups of digits, the last one first."""
    return [match.end() for match in re.finditer("[0-9]+", hit.value)][::-1]


def phone_plus(hit: Hit) -> Span | None:
    """A number with its country code behind a plus."""
    for end in _cuts(hit):
        digits = digits_of(hit.value[:end])
        if len(digits) < 7:
            return None
        if _is_possible(f"+{digits}") or _is_possible("+" + digits_of(re.sub(r"\(0\)", "", hit.value[:end]))):
            return hit.start, hit.start + end
    return None


def phone_zeros(hit: Hit) -> Span | None:
    """A number with its country code behind two zeros."""
    for end in _cuts(hit):
        digits = digits_of(hit.value[:end])[2:]
        if len(digits) >= 8 and _is_possible(f"+{digits}"):
            return hit.start, hit.start + end
    return None


def phone_national(hit: Hit) -> Span | None:
    """A number with the zero that begins it within its country."""
    if DATE.match(hit.value) or re.match(r"0\d?[-./]\d\d?[-./]\d{4}", hit.value):
        return None
    for end in _cuts(hit):
        value = hit.value[:end]
        digits = digits_of(value)
        if len(digits) < 9 or digits.startswith("00"):
            return None
        if _is_valid(digits, _ZERO_REGIONS if re.search("[^0-9]", value) else _MOBILE_REGIONS, value.isdigit()):
            return hit.start, hit.start + end
    return None


def phone_us(hit: Hit) -> Span | None:
    """A number of the North American plan in its usual groups."""
    digits = digits_of(hit.value)[-10:]
    return hit.span if len(digits) == 10 and digits[4:6] != "11" else None


def phone_grouped(hit: Hit) -> Span | None:
    """A number in groups that its country uses."""
    return hit.span if _is_valid(digits_of(hit.value), _GROUPED_REGIONS) else None


def _is_glued(hit: Hit) -> bool:
    """Whether a letter stands right before the number, other than that of a coded plus."""
    before = hit.text.plain[max(hit.lead, hit.start - 3) : hit.start]
    return before[-1:].isalnum() and before.upper() != "%2B"


_AFTER_LABEL = re.compile(r"\(?\d(?:[-. ()/~]{0,3}\d){2,16}")


def phone(hit: Hit) -> Span | None:
    """Seven to fifteen digits beside a word for telephones; a date is none."""
    match = _AFTER_LABEL.match(hit.after().removeprefix("2B")) if hit.before(1) == "%" else _AFTER_LABEL.match(hit.after())
    if match is None or DATE.match(match[0]) or _is_glued(hit):
        return None
    value = match[0]
    start = hit.start
    lead = hit.text.signs[max(0, start - 3) : start]
    for sign in (b"(", b"+"):
        while lead.endswith((sign, sign + b" ")) and start > hit.lead:
            lead, start = lead[:-1], start - 1
    while len(digits_of(value)) > hit.digits[1]:
        shorter = re.sub(r"[^0-9]+[0-9]+$", "", value)
        if shorter == value:
            return None
        value = shorter
    return (start, hit.start + len(value)) if len(digits_of(value)) >= hit.digits[0] else None
