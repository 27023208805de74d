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

WORD, NAME, NUMBER = 0, 1, 2

_STOP = frozenset(
    """a an the of in on at to for and or is are was were be been being am by with as it its this that these those from which who
    whom whose what where when why how does do did done has have had having he she they them him his her hers their theirs you your we our us i my me
    can could will would shall should may might must about into than then there here if so but also too any all some such both each other another
    one's s t up out over via per after before during while between through under until upon within among because since however due
    yes just only very more most less least much many same well""".split()
)
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000"}
_ORDINAL_WORDS = {
    word: str(value)
    for value, word in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), start=1)
}
_NEGATIONS = frozenset("not no never none without cannot nor neither nobody nothing isnt arent wasnt werent doesnt dont didnt hasnt havent hadnt wont cant couldnt wouldnt shouldnt".split())
_HANGUL_NEGATIONS = ("않", "없", "아니", "못하")
_SUFFIXES = ("ization", "isation", "ational", "ingly", "edly", "ally", "ying", "ings", "ing", "ies", "ied", "ers", "ors", "er", "or", "est", "ed", "es", "ly", "s", "e", "y")
_PARTICLES = tuple(
    sorted(
        """은 는 이 가 을 를 의 에 에서 에게 께 로 으로 와 과 도 만 부터 까지 보다 처럼 이다 입니다 이며 이고 인 라는 이라는 라고 이라고 였다 이었다 했다 하는 한다 합니다 됩니다 된다 되는
        했습니다 있다 있습니다 있는 이나 나 랑 이랑 요 예요 이에요""".split(),
        key=len,
        reverse=True,
    )
)
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*[^\W\d_]{0,3}|[^\W\d_]+(?:['’][^\W\d_]+)?\d*|[^\W_]+")
_NUMERIC = re.compile(r"(\d+(?:[.,]\d+)*)([^\W\d_]*)")


_GENERIC = """use used make made locate located base based know known call called name named hold held include included become became consider
considered work worked part type kind find found take took give given serve served feature featured involve involved play played one other
group several various say said state stated mention mentioned describe described actually currently popular famous certain"""


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
        for particle in _PARTICLES:
            if word.endswith(particle) and len(word) - len(particle) >= 2:
                return word[: -len(particle)]
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            root = word[: -len(suffix)]
            if suffix in ("ied", "ies", "y"):
                return root
            return root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "sl" else root
    return word


GENERIC_STEMS = frozenset(stem(word) for word in _GENERIC.split())


def _shape(word: str, starts: bool) -> int:
    """NAME for a word written like one; the first word of a sentence counts only when it cannot be plain English."""
    if not word[0].isupper():
        return NAME if any(char.isdigit() or char.isupper() for char in word) else WORD
    return WORD if starts and word[1:].islower() and word.lower() in _STOP else NAME


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
        if plain in _NEGATIONS:
            negations.append(len(tokens))
            continue
        if numeric := _NUMERIC.match(low):
            digits, unit = numeric.groups()
            ordinal = unit in ("st", "nd", "rd", "th")
            tokens.append(Token(_number(digits) + "#" * ordinal, NUMBER))
            if unit and unit != "s" and not ordinal:
                tokens.append(Token(stem(unit), WORD))
        elif plain in _NUMBER_WORDS:
            tokens.append(Token(_NUMBER_WORDS[plain], WORD if plain == "one" else NUMBER))
        elif plain in _ORDINAL_WORDS:
            tokens.append(Token(_ORDINAL_WORDS[plain] + "#", WORD))
        elif _is_unspaced(plain):
            tokens.extend(Token(plain[i : i + 2], WORD) for i in range(max(1, len(plain) - 1)))
        elif plain not in _STOP and plain:
            if _is_hangul(plain) and any(mark in plain for mark in _HANGUL_NEGATIONS):
                negations.append(len(tokens))
                continue
            tokens.append(Token(stem(plain), _shape(raw, position == 0)))
    return tuple(tokens), tuple(negations)
