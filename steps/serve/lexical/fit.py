"""Does a bare value fit the question: of the kind that was asked for, and near the question's words?

A short answer ("Delhi", "1988") repeats nothing of the question, so being in the context
says little: so are many other values. What sets the right one apart is its kind and its place.
"""

from __future__ import annotations

import re
from math import exp

from steps.serve.lexical.claims import Claim
from steps.serve.lexical.lexicon import words
from steps.serve.lexical.passages import Sentence
from steps.serve.lexical.tokens import NAME, NUMBER, WORD, stem

_COUNT = re.compile(r"\b(?:how (?:many|much|long|old|far|tall|large|big|high|often)|what (?:number|percentage|population|age)|population of)\b", re.I)
_TIME = re.compile(r"\b(?:when\b(?! was the last)|(?:what|which) (?:year|date|month|day|decade|century)|birth ?date|date of birth)", re.I)
_PERSON = re.compile(r"\b(?:who|whom|whose)\b", re.I)
_PLACE = re.compile(r"\bwhere\b", re.I)
_ASKED = re.compile(r"\b(?:what|which)\s+((?:[\w'-]+\s+){0,4}[\w'-]+)", re.I)
_MONTHS = frozenset(stem(word) for word in words("january february march april may june july august september october november december"))
_NEAR = 6.0
_REFERRED = 5
_WRONG_KIND = 0.4


def _kind(claim: Claim) -> float:
    """1 when the value is of the kind asked for or the question names none, `_WRONG_KIND` when it is of another."""
    question, value = claim.topic.text, claim.sentence
    if _TIME.search(question):
        return 1.0 if value.numbers or value.stems & _MONTHS else _WRONG_KIND
    if _COUNT.search(question):
        return 1.0 if value.numbers else _WRONG_KIND
    if _PERSON.search(question) or _PLACE.search(question):
        return 1.0 if value.names and not value.numbers else _WRONG_KIND if not value.names else 0.8
    return 1.0


def _place(claim: Claim, sentence: Sentence) -> float:
    """How close the question's words stand to the value in a sentence, 0-1."""
    value = claim.sentence.stems
    places = [i for i, token in enumerate(sentence.tokens) if token.stem in value]
    if not places:
        return 0.0
    total = near = 0.0
    asked = {token.stem: token.weight for token in claim.topic.tokens}
    for word, weight in asked.items():
        total += weight
        distances = [abs(i - place) for i, token in enumerate(sentence.tokens) if token.stem == word for place in places]
        if distances:
            near += weight * exp(-(min(distances) - 1) / _NEAR)
        elif word in sentence.subject:
            near += weight * exp(-_REFERRED / _NEAR)
    return near / total if total else 0.0


def focus_of(question: str) -> frozenset[str]:
    return frozenset()


def fit(claim: Claim, passage: tuple[Sentence, ...]) -> tuple[float, float]:
    holders = [sentence for sentence in passage if claim.sentence.stems & sentence.stems]
    return _kind(claim), max((_place(claim, sentence) for sentence in holders), default=0.0)
