"""Words of a text in comparable form: folded, stemmed, marked as word, name or number.

Works without a dictionary. Latin-script words lose accents and common English
endings, Hangul words lose particles, Chinese and Japanese runs become character
pairs (they have no spaces). Numbers are compared by value ("2,523" = "2523",
"six" = "6"), a dotted abbreviation is one word ("U.S." = "us").
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from steps.serve.judge.lexical import lexicon

WORD, NAME, NUMBER = 0, 1, 2

_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*[^\W\d_]{0,3}|[^\W\d_]+(?:['’][^\W\d_]+)?\d*|[^\W_]+")
_NUMERIC = re.compile(r"(\d+(?:[.,]\d+)*)([^\W\d_]*)")


@dataclass(frozen=True, slots=True)
class Token:
    """One content word: its comparable form and what it is (WORD, NAME, NUMBER)."""

    stem: str
    kind: int

    @property
    def weight(self) -> float:
        """How much the word says: names and numbers 2, other words 1, all-purpose words 0.3."""
        return 2.0 if self.kind else 0.3 if self.stem in GENERIC_STEMS else 1.0


def fold(text: str) -> str:
    """Compatibility-normalised text without accents; letter case is kept, lone surrogates become spaces."""
    if text.isascii():
        return text
    text = "".join(" " if "\ud800" <= char <= "\udfff" else char for char in text)
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", bare)


def _is_hangul(word: str) -> bool:
    return "\uac00" <= word[0] <= "\ud7a3"


def _is_unspaced(word: str) -> bool:
    return "\u3040" <= word[0] <= "\u30ff" or "\u3400" <= word[0] <= "\u9fff"


def _number(text: str) -> str:
    """Digits in one spelling: no thousands marks, no trailing zeros after a point."""
    whole, point, part = text.replace(",", "").partition(".")
    part = part.rstrip("0") if "." not in part else part
    return (whole.lstrip("0") or "0") + (point + part if part else "")


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Comparable form of one lower-case word."""
    if _is_hangul(word):
        for particle in lexicon.PARTICLES:
            if word.endswith(particle) and len(word) - len(particle) >= 2:
                return word[: -len(particle)]
        return word
    for suffix in lexicon.SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            root = word[: -len(suffix)]
            if suffix in ("ied", "ies", "y"):
                return root
            return root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "sl" else root
    return word


GENERIC_STEMS = frozenset(stem(word) for word in lexicon.GENERIC)


def _shape(word: str, starts: bool) -> int:
    """NAME for a word written like one; the first word of a sentence counts only when it cannot be plain English."""
    if not word[0].isupper():
        return NAME if any(char.isdigit() or char.isupper() for char in word) else WORD
    return WORD if starts and word[1:].islower() and word.lower() in lexicon.STOP else NAME


@lru_cache(maxsize=16384)
def tokenize(text: str) -> tuple[tuple[Token, ...], tuple[int, ...]]:
    """Content words of one sentence in order, and before which of them a negation stands (empty: none)."""
    folded = _DOTTED.sub(lambda match: match[0].replace(".", ""), fold(text))
    tokens: list[Token] = []
    negations: list[int] = []
    for position, match in enumerate(_TOKEN.finditer(folded)):
        raw = match[0].replace("’", "'")
        low = raw.lower()
        if low.endswith(("'s", "s'")):
            raw, low = raw[: low.rindex("'")], low[: low.rindex("'")]
        plain = low.replace("'", "")
        if plain in lexicon.NEGATIONS:
            negations.append(len(tokens))
            continue
        if numeric := _NUMERIC.match(low):
            digits, unit = numeric.groups()
            ordinal = unit in ("st", "nd", "rd", "th")
            tokens.append(Token(_number(digits) + "#" * ordinal, NUMBER))
            if unit and unit != "s" and not ordinal:
                tokens.append(Token(stem(unit), WORD))
        elif plain in lexicon.NUMBERS:
            tokens.append(Token(lexicon.NUMBERS[plain], WORD if plain == "one" else NUMBER))
        elif plain in lexicon.ORDINALS:
            tokens.append(Token(lexicon.ORDINALS[plain] + "#", WORD))
        elif _is_unspaced(plain):
            tokens.extend(Token(plain[i : i + 2], WORD) for i in range(max(1, len(plain) - 1)))
        elif plain not in lexicon.STOP and plain:
            if _is_hangul(plain) and any(mark in plain for mark in lexicon.KOREAN_NEGATIONS):
                negations.append(len(tokens))
                continue
            tokens.append(Token(stem(plain), _shape(raw, position == 0)))
    return tuple(tokens), tuple(negations)
