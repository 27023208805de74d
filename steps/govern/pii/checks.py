"""Checks: what must hold, beside its shape, for a number to be a card, an account, a telephone or an identity.

A check reads a `Hit` and gives the span to hide, or None. Python's own patterns read at most 64 characters.

Source: IBAN ISO 13616; Korean resident numbers: Resident Registration Act enforcement rules (check digit until October 2020).
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib import import_module

from steps.govern.pii.fold import Folded
from steps.govern.pii.rules import tables, words_pattern

Span = tuple[int, int]
BEFORE, AFTER = 56, 48
DATE = re.compile(r"(?:19|20)\d\d([-./])\d\d?\1\d\d?(?!\d)|\d\d?([-./])\d\d?\2(?:19|20)\d\d(?!\d)")
_MAX_CARD_GROUP = 7
_BLOB_SIDE = 40
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a pattern matched.

    Attributes:
        text: the folded text.
        start: first character of what matched.
        end: character after it.
        lead: first character of the label before it; `start` without one.
        digits: fewest and most digits that the label asks for.
    """

    text: Folded
    start: int
    end: int
    lead: int
    digits: Span = (0, 99)

    @property
    def value(self) -> str:
        """What matched; a letter of another script is the sign `fold.OTHER`."""
        return self.text.signs[self.start : self.end].decode("ascii")

    @property
    def span(self) -> Span:
        """All of it."""
        return self.start, self.end

    def before(self, count: int = BEFORE) -> str:
        """Plain text of the same line before it, as far as `count` characters."""
        return self.text.plain[max(0, self.start - count) : self.start].rpartition("\n")[2]

    def after(self, count: int = AFTER) -> str:
        """Signs of the same line from its start on."""
        return self.text.signs[self.start : self.start + count].decode("ascii").partition("\n")[0]


Check = Callable[[Hit], Span | None]


def digits_of(text: str) -> str:
    """The digits of a text."""
    return re.sub(r"[^0-9]", "", text)


@functools.cache
def _veto() -> re.Pattern[str]:
    words = words_pattern(tables()["labels"]["veto"], start=r"(?:^|[^A-Za-z])")
    return re.compile(rf"(?i:{words})(?:-1[03])?(?:[^A-Za-z0-9][^0-9]{{0,14}})?$")


def has_veto(before: str) -> bool:
    """Whether a word for orders, products, versions and the like stands right before a number."""
    return bool(_veto().search(before[-40:]))


def is_mask(hit: Hit) -> bool:
    """Whether a match lies in a mask such as `<PHONE_12>`."""
    signs, start = hit.text.signs, hit.start
    around = signs[max(0, start - 24) : hit.end + 5].decode("ascii")
    return bool(re.search(r"<[A-Z_]{2,20}_[0-9]{0,3}$", around[: min(start, 24)])) and bool(
        re.match(r"[0-9]{0,4}>", around[min(start, 24) :])
    )


def is_in_path(hit: Hit) -> bool:
    """Whether a number is part of the path of a URL."""
    return bool(re.search(r"://[^\s?&=]{1,56}/$", hit.before()))


def is_in_blob(hit: Hit) -> bool:
    """Whether a match lies within a long run of base64, where anything occurs by chance."""
    signs = hit.text.signs
    left, right = signs[max(0, hit.start - _BLOB_SIDE) : hit.start], signs[hit.end : hit.end + _BLOB_SIDE]
    return len(left) == len(right) == _BLOB_SIDE and not (left + right).translate(None, _BASE64)


def is_part(hit: Hit) -> bool:
    """Whether a number goes on beside the match, as a UUID, a decimal or a dotted id does."""
    signs, start, end = hit.text.signs, hit.start, hit.end
    left = signs[max(0, start - 14) : start].decode("ascii")
    right = signs[end : end + 14].decode("ascii")
    if re.search(r"[0-9][.,]$|[0-9][0-9A-Za-z]*[-_]$|[0-9A-Za-z]*[0-9][A-Za-z]*[-_]$", left):
        return True
    return bool(re.match(r"[.,][0-9]|[-_][A-Za-z]{0,6}[0-9]", right))


def _stdnum(name: str) -> Callable[[str], bool]:
    valid: Callable[[str], bool] = import_module(f"stdnum.{name}").is_valid
    return valid


def by_stdnum(names: str) -> Check:
    """Check digits and dates by python-stdnum; any of several modules."""
    modules = [_stdnum(name) for name in names.split(",")]

    def check(hit: Hit) -> Span | None:
        value = hit.value.replace(".", "").replace("/", "") if "es." in names or "br." not in names else hit.value
        if len(set(digits_of(value))) < 3:
            return None
        return hit.span if any(valid(value) for valid in modules) else None

    return check


def card(hit: Hit) -> Span | None:
    """A payment card: whole groups of digits of a known network whose check digit holds."""
    luhn = _stdnum("luhn")
    groups = [(match.start(), match.end()) for match in re.finditer("[0-9]+", hit.value)]
    for first, (start, _) in enumerate(groups):
        if start and hit.value[start - 1] in "._/":
            continue
        for _, end in reversed(groups[first : first + 20]):
            digits = digits_of(hit.value[start:end])
            sizes = {right - left for left, right in groups[first:] if right <= end}
            if len(sizes) > 1 and max(sizes) > _MAX_CARD_GROUP or sizes == {1, 2}:
                continue
            if 13 <= len(digits) <= 19 and _is_network(digits) and luhn(digits):
                return hit.start + start, hit.start + end
    return None


def _is_network(digits: str) -> bool:
    """Whether a card network issues numbers of this beginning and length."""
    size, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if len(set(digits)) < 2:
        return False
    return (
        (digits[0] == "4" and size in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in (34, 37) and size == 15)
        or ((two in (60, 64, 65) or 3528 <= four <= 3589) and 16 <= size <= 19)
        or ((two in (36, 38, 39) or 300 <= int(digits[:3]) <= 305) and 14 <= size <= 19)
        or ((two in (62, 81, 50, 56, 57, 58, 63, 67) or four in (2200, 2201, 2202, 2203, 2204)) and 16 <= size <= 19)
    )


def iban(hit: Hit) -> Span | None:
    """An international bank account number, cut where its country's numbers end: mod 97 leaves 1."""
    value = hit.value
    size = tables()["rules"]["iban"]["lengths"].get(value[:2].upper())
    if size is None:
        return None
    places = [match.start() for match in re.finditer("[0-9A-Za-z]", value)]
    if len(places) < size or (len(places) > size and places[size] == places[size - 1] + 1):
        return None
    compact = "".join(value[place] for place in places[:size]).upper()
    if int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 != 1:
        return None
    return hit.start, hit.start + places[size - 1] + 1


def resident_number(hit: Hit) -> Span | None:
    """A Korean resident or foreigner registration number; without its dash it needs the check digit."""
    digits = digits_of(hit.value)
    century = 1800 if digits[6] in "90" else 1900 if digits[6] in "1256" else 2000
    try:
        date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return None
    if "-" in hit.value:
        return hit.span
    total = sum(int(digit) * weight for digit, weight in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=False))
    return hit.span if int(digits[12]) in ((11 - total % 11) % 10, (13 - total % 11) % 10) else None


def us_ssn(hit: Hit) -> Span | None:
    """A United States social security or taxpayer number."""
    area, group, serial = re.findall("[0-9]+", hit.value)
    is_ssn = area not in ("000", "666") and group != "00" and serial != "0000" and (area[0] != "9" or int(group) >= 50)
    return hit.span if is_ssn else None


def gb_nino(hit: Hit) -> Span | None:
    """A British national insurance number: some prefixes are never issued."""
    value = re.sub("[- ]", "", hit.value).upper()
    same_case = hit.value.upper() == hit.value or hit.value.lower() == hit.value
    return hit.span if same_case and value[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") else None


def de_pension(hit: Hit) -> Span | None:
    """A German pension insurance number: weighted sum of digits, the letter as two."""
    value = hit.value.replace(" ", "")
    number = value[:8] + f"{ord(value[8]) - 64:02d}" + value[9:]
    products = (int(digit) * weight for digit, weight in zip(number, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2), strict=False))
    return hit.span if sum(item // 10 + item % 10 for item in products) % 10 == int(number[-1]) else None


def sg_nric(hit: Hit) -> Span | None:
    """A Singapore identity number."""
    value = hit.value
    total = sum(int(digit) * weight for digit, weight in zip(value[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    total += {"S": 0, "F": 0, "T": 4, "G": 4, "M": 3}[value[0]]
    letters = "JZIHGFEDCBA" if value[0] in "ST" else "XWUTRQPNMLK" if value[0] in "FG" else "KLJNPQRTUWX"
    index = total % 11 if value[0] != "M" else 10 - total % 11
    return hit.span if letters[index] == value[8] else None


def hk_id(hit: Hit) -> Span | None:
    """A Hong Kong identity card number."""
    value = re.sub("[^0-9A-Z]", "", hit.value).rjust(9)
    codes = [36 if sign == " " else int(sign, 36) for sign in value]
    return hit.span if sum(code * weight for code, weight in zip(codes, range(9, 0, -1), strict=True)) % 11 == 0 else None


def tw_id(hit: Hit) -> Span | None:
    """A Taiwanese identity number."""
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(hit.value[0]) + 10
    digits = [code // 10, code % 10, *map(int, hit.value[1:])]
    return (
        hit.span if sum(digit * weight for digit, weight in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0 else None
    )


def au_medicare(hit: Hit) -> Span | None:
    """An Australian Medicare number."""
    digits = digits_of(hit.value)
    total = sum(int(digit) * weight for digit, weight in zip(digits, (1, 3, 7, 9, 1, 3, 7, 9), strict=False))
    return hit.span if total % 10 == int(digits[8]) else None


def birth_first(hit: Hit) -> Span | None:
    """A Latvian number: day, month and year of birth come first."""
    value = hit.value
    return hit.span if 1 <= int(value[:2]) <= 31 and 1 <= int(value[2:4]) <= 12 and value[7] in "012" else None


def ipv4(hit: Hit) -> Span | None:
    """An address that can belong to someone: no loopback, no wildcard, no version number."""
    signs = hit.text.signs
    if re.match(r"\.?[0-9]|[.-][A-Za-z]*[0-9]", signs[hit.end : hit.end + 10].decode("ascii")) or re.search(
        r"[0-9.]\.?$|(?<![/:])/$|[A-Za-z]-$", signs[max(0, hit.start - 3) : hit.start].decode("ascii")
    ):
        return None
    try:
        address = ipaddress.ip_address(re.sub(r"[^0-9.]*\.[^0-9.]*|\[dot\]", ".", hit.value))
    except ValueError:
        return None
    is_network = str(address).endswith(".0") and signs[hit.end : hit.end + 1] == b"/"
    if address.is_loopback or address.is_unspecified or is_network or str(address).startswith("255."):
        return None
    version = re.search(
        r"(?i)(?:\bv|version|ver\.?|release|build|firmware|sdk|driver|버전|バージョン|版本|section|clause|chapter|rev\.?)[^a-z0-9]{0,8}$",
        hit.before(24),
    )
    return None if version else hit.span


def ipv6(hit: Hit) -> Span | None:
    """An IPv6 address: no loopback, no time of day, no `a::b` of a program."""
    signs = hit.text.signs
    if signs[hit.start - 1 : hit.start].isalnum() or signs[hit.end : hit.end + 1].isalnum():
        return None
    value = hit.value.rstrip(".")
    if value.endswith(":") and not value.endswith("::"):
        value = value[:-1]
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    parts = [part for part in value.split(":") if part]
    if address.is_loopback or address.is_unspecified or len(parts) < 2 or not any(sign.isdigit() for sign in value):
        return None
    if len(parts) == 2 and not re.match(r"(?i)(?:fe80|fd|fc|2[0-9a-f]{3}|ff)", value):
        return None
    return hit.start, hit.start + len(value)


def mac(hit: Hit) -> Span | None:
    """A hardware address; no broadcast, no longer chain of bytes."""
    signs = hit.text.signs
    if re.match(rb"[0-9A-Za-z]|[:.-][0-9A-Fa-f]{2}", signs[hit.end : hit.end + 3]) or re.search(
        rb"[0-9A-Fa-f]{2}[:.-]$", signs[max(0, hit.start - 3) : hit.start]
    ):
        return None
    value = re.sub("[^0-9a-f]", "", hit.value.lower())
    if len(set(value)) == 1 or (":" not in hit.value and value.isdigit() and "-" in hit.value):
        return None
    return hit.span


def anything(hit: Hit) -> Span | None:
    """The shape says enough."""
    return hit.span
