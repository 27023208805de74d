"""Does a bare value fit the question: of the kind that was asked for, and nearest to the question's words?

A short answer ("Delhi", "1988") repeats nothing of the question, so being in the context
says little: so are other values. What sets the right one apart is its kind and its place.
"""

from __future__ import annotations

import re
from math import exp

from steps.serve.judge.lexical.claims import Claim
from steps.serve.judge.lexical.lexicon import words
from steps.serve.judge.lexical.passages import Sentence
from steps.serve.judge.lexical.tokens import WORD, stem

_COUNT = re.compile(
    r"\b(?:how (?:many|much|long|old|far|tall|large|big|high)|what (?:number|percentage|population|age)|population of)\b", re.IGNORECASE
)
_TIME = re.compile(r"\b(?:when|(?:what|which) (?:year|date|month|day|decade|century)|birth ?date|date of birth)\b", re.IGNORECASE)
_THING = re.compile(r"\b(?:who|whom|whose|where)\b", re.IGNORECASE)
_MONTHS = frozenset(stem(word) for word in words("january february march april may june july august september october november december"))
_WRONG_KIND = 0.4
_NEAR = 6.0
_REFERRED = 5.0


def _kind(claim: Claim) -> float:
    """1 when the value is of the kind asked for, or the question names none; less when it is of another."""
    question, value = claim.topic.text, claim.sentence
    if _TIME.search(question):
        return 1.0 if value.numbers or value.stems & _MONTHS else _WRONG_KIND
    if _COUNT.search(question):
        return 1.0 if value.numbers else _WRONG_KIND
    if _THING.search(question):
        return 1.0 if value.names or not value.numbers else _WRONG_KIND
    return 1.0


def _nearness(sentence: Sentence, place: int, topic: dict[str, float]) -> float:
    """How closely the question's words surround one place of a sentence, 0-1."""
    nearest: dict[str, int] = {}
    for i, token in enumerate(sentence.tokens):
        if token.stem in topic:
            nearest[token.stem] = min(abs(i - place), nearest.get(token.stem, 1 << 20))
    near = sum(topic[word] * exp(-(distance - 1) / _NEAR) for word, distance in nearest.items())
    referred = sum(weight for word, weight in topic.items() if word in sentence.subject and word not in nearest)
    return (near + referred * exp(-_REFERRED / _NEAR)) / sum(topic.values())


def fit(claim: Claim, passage: tuple[Sentence, ...]) -> float:
    """How well a bare value fits the question, 0-1: its kind times its nearness, against the best value of its sort."""
    topic = {token.stem: token.weight for token in claim.topic.tokens}
    if not topic:
        return 1.0
    sort = max((token.kind for token in claim.sentence.tokens), default=WORD)
    own = best = 0.0
    for sentence in passage:
        if not sentence.reach & claim.topic.stems:
            continue
        for place, token in enumerate(sentence.tokens):
            mine = token.stem in claim.sentence.stems
            if (mine or token.kind == sort) and token.stem not in topic:
                nearness = _nearness(sentence, place, topic)
                best = max(best, nearness)
                own = max(own, nearness) if mine else own
    return _kind(claim) * (own / best if best else 1.0)
