"""The rule tables: what a text is searched for, read from the toml files beside the code.

A rule is an RE2 pattern over one form of the folded text and, when looks deceive, a check. `widen` gives the copy of a
pattern that the first, linear pass looks for: it matches whatever the pattern matches, with fewer states.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from steps.govern.pii.fold import fold_letters

Form = Literal["signs", "plain"]
Group = Literal["chains", "ids", "keys", "texts", "labels", "words"]


class Bounds(NamedTuple):
    """How the rules of one group are searched for in the first pass.

    Attributes:
        digits: digits that a text must have for any of them.
        max_count: highest count that a widened pattern keeps.
        set_rules: most rules in one set; the states of a set grow with the product of its rules.
    """

    digits: int
    max_count: int
    set_rules: int


GROUPS: dict[Group, Bounds] = {
    "chains": Bounds(7, 5, 100),
    "ids": Bounds(4, 12, 25),
    "keys": Bounds(0, 12, 200),
    "texts": Bounds(0, 12, 100),
    "labels": Bounds(1, 12, 100),
    "words": Bounds(0, 12, 100),
}
_CHAINS = ("phone", "card", "iban")
_IDS = ("national_id", "account", "ip")

_LEFT = {"both": r"(?:^|[^0-9A-Za-z])", "left": r"(?:^|[^0-9A-Za-z])", "none": ""}
_RIGHT = {"both": r"(?:\b|_)", "left": "", "none": ""}
_GAP = r"[^0-9\n]{0,32}"
_LINK = (
    r"(?: ?\(| ?[-=] ?|,? (?:is|are|was|as|ist|sind|es|est|e) (?:my|the|his|her|their|our|a|mein|meine|mi|mon|ma|il|mio|la|el|o|meu)? ?"
    r"|(?:는|은|가|이) ?(?:제|내|저의)? ?|が私の|は私の| — )"
)
_COUNT = re.compile(r"(\\.|\[(?:\\.|[^\]\\])+\])|\{(\d+)(,?)(\d*)\}")


@dataclass(frozen=True)
class Rule:
    """One thing to search for.

    Attributes:
        kind: kind of data.
        form: form of the folded text that the pattern reads.
        pattern: RE2; what is found is its last group that took part.
        check: name of a check (checks.py); "" when the pattern says enough.
        veto: words of `veto` in labels.toml right before it overrule it.
        label: section of labels.toml whose words the pattern holds.
    """

    kind: str
    form: Form
    pattern: str
    check: str = ""
    veto: bool = False
    label: str = ""

    @property
    def group(self) -> Group:
        """The set that it belongs to."""
        if self.form == "plain":
            return "labels" if self.label else "words"
        if self.check == "key":
            return "keys"
        if self.kind in _CHAINS:
            return "chains"
        return "ids" if self.kind in _IDS and self.check != "ipv6" else "texts"


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


@functools.cache
def tables() -> dict[str, dict[str, Any]]:
    """The toml files by name."""
    return {name: _read(name) for name in ("rules", "labels", "secrets", "names")}


def words_pattern(words: Sequence[str], *, start: str = r"(?:^|[^A-Za-z])") -> str:
    """RE2 for any of the words, longest first; a plural passes, and `phone number` reads phone_number and phoneNumber as well."""
    latin: list[str] = []
    other: list[str] = []
    for word in sorted({fold_letters(word) for word in words}, key=lambda item: (-len(item), item)):
        stem = word.removesuffix("*")
        blank = "[ _.-]{0,2}" if stem.isascii() else "[ _]{0,1}"
        pattern = blank.join(re.escape(part) for part in stem.split(" "))
        (latin if stem.isascii() else other).append(pattern + ("[a-z]{0,12}" if word.endswith("*") else "s?" if stem.isascii() else ""))
    parts = [rf"{start}(?:{'|'.join(latin)})"] if latin else []
    return f"(?:{'|'.join([*parts, *other])})"


def _title(word: str) -> str:
    return fold_letters(word).title().replace(" ", "")


def _label_rules(name: str, section: dict[str, Any]) -> Iterator[Rule]:
    """A number, date or code after a word that says what it is, and before it."""
    words = section["words"]
    label = words_pattern(words, start="(?:^|[^A-Za-z0-9])")
    camel = "|".join(sorted({_title(word) for word in words if (title := _title(word)).isascii() and title.isalpha() and len(title) > 2}))
    label = rf"(?:(?i:{label})|[a-z](?:{camel}))"
    gap = rf"(?:[0-9]|(?:[A-Z][A-Za-z_]{{0,20}})?[^A-Za-z0-9\n]{_GAP}[0-9])"
    yield Rule(section["kind"], "plain", rf"({label})({gap})", section["value"], label=name)
    if section.get("reverse"):
        tail = words_pattern(words, start="")
        yield Rule(
            section["kind"], "plain", rf"([0-9][A-Za-z]?)({_LINK})(?i:{tail})(?:[^A-Za-z]|$)", f"{section['value']}_before", label=name
        )


def _secret_rules() -> Iterator[Rule]:
    keys: dict[str, str] = tables()["secrets"]["keys"]
    for pattern in keys.values():
        yield Rule("secret", "signs", rf"{_LEFT['left']}({pattern})", "key")


def _name_rules() -> Iterator[Rule]:
    names = tables()["names"]
    stop = names["stop"]
    word = r"\p{Lu}(?:\p{Ll}+(?:['-]\p{Lu}?\p{Ll}+)*|'\p{Lu}\p{Ll}+)"
    link = r"(?:(?:van|von|der|den|de|da|di|del|della|la|le|bin|al|el|dos|ter|zu)[ \t]+)*"
    part = rf"(?:{word}|\p{{Lu}}\.?)"
    shapes = {
        "{NAME}": rf"{part}(?:[ \t]+{link}{part}){{0,3}}",
        "{FULL}": rf"{word}(?:[ \t]+\p{{Lu}}\.)?(?:[ \t]+{link}{word}){{1,3}}",
        "{LOW}": r"[a-z]{2,20}(?:[ \t]+[a-z]{2,20})?",
        "{HANGUL}": rf"(?:{'|'.join(stop['korean_family_two'])}|[{stop['korean_family']}])[가-힣]{{1,2}}",
    }
    for row in names["rule"]:
        pattern = fold_letters(row["pattern"])
        for mark, shape in shapes.items():
            pattern = pattern.replace(mark, shape)
        yield Rule("name", "plain", pattern, f"name_{row.get('check', 'latin')}")


@functools.cache
def rules() -> tuple[Rule, ...]:
    """Every rule."""
    result = []
    countries = f"(?:{'|'.join(tables()['rules']['iban']['lengths'])})"
    for row in tables()["rules"]["rule"]:
        form = row.get("on", "signs")
        edges = row.get("edges", "both") if form == "signs" else "none"
        pattern = f"{_LEFT[edges]}{fold_letters(row['pattern'])}{_RIGHT[edges]}".replace("{IBAN_COUNTRY}", countries)
        result.append(Rule(row["kind"], form, pattern, row.get("check", ""), row.get("veto", False)))
    for name, section in tables()["labels"].items():
        if name != "veto":
            result += _label_rules(name, section)
    return (*result, *_secret_rules(), *_name_rules())


def widen(pattern: str, max_count: int) -> str:
    """A pattern that matches wherever `pattern` does, without upper counts.

    `{0,m}` becomes `*`, `{n,m}` becomes `{n,}` with `n` no more than `max_count`, and `{n}` stays.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] is not None or not match[3]:
            return match[0]
        least = int(match[2])
        return "*" if least == 0 else "+" if least == 1 else f"{{{min(least, max_count)},}}"

    return _COUNT.sub(replace, pattern)
