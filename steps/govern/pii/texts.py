"""Checks of what is no number: e-mail addresses, keys, passwords, fields, names."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter

from steps.govern.pii.checks import Hit, Span
from steps.govern.pii.rules import tables

_KEY_ENTROPY, _BEARER_ENTROPY = 3.0, 3.3  # bits a character
_METHOD = re.compile(r"(?i)(?:sha|md|base|oauth|utf|argon|aes|rsa|pbkdf|bcrypt|scrypt|sso|mfa|v|http|step|rfc|[0-9]+-)-?[0-9a-z]{0,4}\b")
_KEY_BLOCK = 16384  # characters
_LAST_DOT = re.compile(r"[.,;:)\]}'\"`]+$")


def entropy(value: str) -> float:
    """Shannon entropy, bits a character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


@functools.cache
def _placeholders() -> tuple[frozenset[str], tuple[str, ...]]:
    section = tables()["secrets"]["placeholders"]
    return frozenset(section["whole"]), tuple(section["prefixes"])


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret and is none."""
    whole, prefixes = _placeholders()
    plain = value[:64].lower()
    word = re.match(r"[a-z/]+", plain)
    return (
        plain.startswith(prefixes)
        or plain.strip("_-. ") in whole
        or bool(word and word[0] in whole and not re.search(r"[0-9!@#$%^&*]", plain))
        or (len(plain) > 3 and len(set(plain)) < 2)
    )


def _trim(hit: Hit) -> Span | None:
    """The match without the punctuation of its sentence."""
    value = hit.value
    end = len(value) - len(value[-16:]) + len(_LAST_DOT.sub("", value[-16:]))
    return (hit.start, hit.start + end) if end else None


def email(hit: Hit) -> Span | None:
    """An address; letters of another script that touch it are no part, unless all before the sign are."""
    local, _, _ = re.split("(@|%40|&)", hit.value[:72], maxsplit=1)
    ascii_part = re.search(r"[^\x02'%]*$", local)
    if not local.strip("._%+-'") or (local == "git" and hit.text.signs[hit.end : hit.end + 1] == b":"):
        return None
    if ascii_part is not None and re.search("[0-9A-Za-z]", ascii_part[0]) and "\x02" in local:
        stripped = ascii_part[0].lstrip("._%+-")
        return hit.end - len(hit.value) + len(local) - len(stripped), hit.end
    return hit.start + len(local) - len(local.lstrip("._%+-'")), hit.end


def spelled_email(hit: Hit) -> Span | None:
    """An address with "at" and "dot" as words: a name, a host, an ending."""
    value = re.sub(r"\s+", " ", hit.value[-40:].lower())
    return hit.span if re.search(r"[a-z]{2,}$", value) and not re.search(r" (?:a|d) [a-z]{2,6}$", value) else None


def key(hit: Hit) -> Span | None:
    """A vendor's key: random enough."""
    value = hit.value[:200]
    if hit.text.signs[hit.end : hit.end + 1].isalnum():
        return None
    longest = max(re.split(r"[-_./:]", value), key=len)
    if (
        entropy(value) < _KEY_ENTROPY
        or not re.search("[0-9]", value)
        and not re.search("[A-Z]", value[3:])
        or re.search(r"x{6}|\*{4}", value, re.I)
    ):
        return None
    return _trim(hit) if len(longest) >= 5 or value.count("-") > 3 else None


def key_block(hit: Hit) -> Span | None:
    """A private key from its first line to its last, or as far as the longest key goes."""
    signs, limit = hit.text.signs, min(len(hit.text.signs), hit.end + _KEY_BLOCK)
    for last in (b"-----END", b"Private-MAC:"):
        if (start := signs.find(last, hit.end, limit)) >= 0:
            sign = b"-----" if last.startswith(b"-") else b"\n"
            end = signs.find(sign, start + len(last), start + 100)
            return hit.start, end + len(sign.strip()) if end >= 0 else min(len(signs), start + 100)
    return hit.start, limit


def bearer(hit: Hit) -> Span | None:
    """The value of an authorization header or a signature: random enough, no word."""
    value = hit.value[:200]
    if is_placeholder(value) or entropy(value) < _BEARER_ENTROPY or (len(value) < 20 and not re.search("[0-9]|[a-z][A-Z]|=$", value)):
        return None
    return _trim(hit)


def url_credentials(hit: Hit) -> Span | None:
    """User and password, or a token, before the host of a URL."""
    user, sign, password = hit.value.partition(":")
    return None if is_placeholder(password if sign else user) or (not sign and not re.search("[0-9]", user)) else hit.span


def _is_password(value: str) -> bool:
    """Whether a value holds what plain words do not: a digit, a sign, or a capital within."""
    return bool(re.search(r"[0-9]|[!@#$%^&*+=/_~?]|[a-z][A-Z]", value))


def assignment(hit: Hit) -> Span | None:
    """A value behind the name of a secret."""
    span = _trim(hit)
    if span is None:
        return None
    value = hit.value[: span[1] - span[0]]
    if is_placeholder(value) or len(value) < 4 or re.match(r"https?://", value):
        return None
    if value.isdigit():
        return span if re.search(r"(?i)pass|pwd|pin|비밀|암호|비번|パス|密码|暗証", hit.text.plain[max(0, hit.lead) : hit.start]) else None
    if len(value) < 6 and not re.search("[0-9].*[A-Za-z]|[A-Za-z].*[0-9]|[!@#$%^&*]", value):
        return None
    return (
        span
        if _is_password(value[:128])
        and not re.fullmatch(r"[a-z_]+(?:\.[a-z_]+)+(?:\(.*)?|[a-z]+(?:[_-][a-z]+)+|[a-z]+/[a-z/]+", value[:128])
        else None
    )


def quotation(hit: Hit) -> Span | None:
    """A value in quotes behind the name of a password."""
    value = hit.value
    return None if is_placeholder(value) or value.count(" ") > 3 else hit.span


def prose_password(hit: Hit) -> Span | None:
    """A password that a sentence tells."""
    span = _trim(hit)
    if span is None:
        return None
    value = hit.value[: span[1] - span[0]]
    if is_placeholder(value) or len(value) < 4 or not _is_password(value):
        return None
    return None if re.fullmatch(r"[a-z]+(?:['/_-][a-z]+)*|[0-9]{1,3}", value) else span


def strong_password(hit: Hit) -> Span | None:
    """A password that nothing but its own signs tells: letters with digits, and no name of a method."""
    span = prose_password(hit)
    value = hit.value
    if span is None or not re.search("[A-Za-z]", value) or not re.search("[0-9]", value) or _METHOD.match(value):
        return None
    return span


def field_name(hit: Hit) -> Span | None:
    """The name of a person in a field."""
    value = hit.text.plain[hit.start : hit.end].rstrip(" .,\\|/")
    words = value.split()
    if (
        not value
        or len(words) > 5
        or is_placeholder(value)
        or value.lower() in tables()["names"]["stop"]["any"]
        or not words[0][0].isalpha()
    ):
        return None
    is_capital = all(word[0].isupper() or not word.isascii() or len(word) <= 3 for word in words)
    is_quoted = hit.text.plain[hit.start - 1 : hit.start] in "\"'>="
    return (hit.start, hit.start + len(value)) if is_capital or (is_quoted and len(words) <= 3) else None


def field_address(hit: Hit) -> Span | None:
    """A postal address in a field: words and a number."""
    value = hit.text.plain[hit.start : hit.end].rstrip(" .,\\|/")
    head = value[:64]
    if not re.search("[0-9]", head) or not re.search(r"[^\W\d_]{2}", head) or re.match(r"(?i)https?:|0x|[0-9a-f:.]+$|\d+$", head):
        return None
    return (hit.start, hit.start + len(value)) if re.search(r"[ ,]|[^\x00-\x7f]", head) else None


@functools.cache
def _stop(section: str) -> frozenset[str]:
    return frozenset(tables()["names"]["stop"][section])


def name_latin(hit: Hit) -> Span | None:
    """A name that is no stop word."""
    value = hit.text.plain[hit.start : hit.end]
    words = value.replace("'s", "").split()
    first = words[0].rstrip(".").lower()
    if first in _stop("any") or (len(words) == 1 and len(first) < 2):
        return None
    return hit.start, hit.start + (len(value) if re.search(r"\b[A-Z]\.$", value) else len(value.rstrip(".")))


def name_title(hit: Hit) -> Span | None:
    """A name behind a title."""
    return name_latin(hit) if not hit.text.plain[hit.start : hit.end].split()[0].isupper() or hit.end - hit.start > 3 else None


def name_low(hit: Hit) -> Span | None:
    """A name in small letters: one or two words."""
    words = hit.text.plain[hit.start : hit.end].split()
    if words[0] in _stop("any"):
        return None
    end = hit.start + len(words[0]) if words[-1] in _stop("any") else hit.end
    return hit.start, end


def name_korean(hit: Hit) -> Span | None:
    """A Korean name that is no noun."""
    return None if hit.text.plain[hit.start : hit.end] in _stop("korean") else name_any(hit)


def name_kanji(hit: Hit) -> Span | None:
    """A Japanese or Chinese name that is no noun."""
    value = hit.text.plain[hit.start : hit.end]
    return None if any(word in value for word in _stop("kanji")) else hit.span


def name_any(hit: Hit) -> Span | None:
    """A name of either script."""
    return name_latin(hit) if hit.text.plain[hit.start : hit.start + 1].isascii() else hit.span
