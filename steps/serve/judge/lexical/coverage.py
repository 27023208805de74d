"""Scorer `lexical-entailment-coverage`: are the claim's words together in one piece of evidence?

Order plays no part. A piece of evidence is one sentence, or two that are bound: the
second continues the first ("It …", "He …"), or both name a thing that neither the claim
nor the question names (the hidden step of a two-step question). Facts about two subjects
are never joined, so a value of one service does not support a claim about another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from steps.serve.judge.lexical.choices import choice_support
from steps.serve.judge.lexical.claims import Claim
from steps.serve.judge.lexical.matching import contradicts, has_rival, in_words_of, is_broken, vocabulary
from steps.serve.judge.lexical.passages import Sentence

NAME = "lexical-entailment-coverage"
VERDICT = 0.65
_MAX_LINKED = 12
_MAX_SPAN = 24
_REACH = 3


def _evidence(claim: Claim, passage: tuple[Sentence, ...]) -> Iterator[tuple[Sentence, ...]]:
    """Pieces of evidence that share a word with the claim."""
    related = [sentence for sentence in passage if sentence.stems & claim.sentence.stems]
    yield from ((sentence,) for sentence in related)
    known = claim.sentence.stems | claim.topic.stems
    for i, first in enumerate(related[:_MAX_LINKED]):
        for second in related[i + 1 : _MAX_LINKED]:
            if (first.names & second.names) - known:
                yield first, second


def _covered(weights: dict[str, float], stems: frozenset[str]) -> float:
    """Weighted share of the words that are in `stems`."""
    total = sum(weights.values())
    return sum(weight for stem, weight in weights.items() if stem in stems) / total if total else 0.0


def _tightness(new: dict[str, float], own: frozenset[str], sentence: Sentence) -> float:
    """How closely the claim's new words stand together in a sentence: covered share x root of the share of own words in the span."""
    places = [(i, token.stem) for i, token in enumerate(sentence.tokens) if token.stem in new]
    total, best = sum(new.values()), 0.0
    for x, (start, _) in enumerate(places):
        seen: set[str] = set()
        weight = 0.0
        for end, stem in places[x : x + _MAX_SPAN]:
            if stem not in seen:
                seen.add(stem)
                weight += new[stem]
            foreign = sum(token.stem not in own for token in sentence.tokens[start : end + 1])
            best = max(best, weight / total * (len(seen) / (len(seen) + foreign)) ** 0.5)
    return best


@lru_cache(maxsize=8192)
def _near(sentence: Sentence) -> frozenset[frozenset[str]]:
    """Unordered pairs of words at most `_REACH` apart."""
    stems = [token.stem for token in sentence.tokens]
    return frozenset(frozenset((stems[i], stems[j])) for i in range(len(stems)) for j in range(i + 1, min(len(stems), i + _REACH + 1)))


def _proximity(claim: Claim, passage: tuple[Sentence, ...]) -> float:
    """Share of the claim's neighbouring words that are near each other in the question or in one sentence of the context."""
    stems = [token.stem for token in claim.sentence.tokens]
    if len(stems) < 2:
        return 1.0
    sources = [_near(claim.topic), *(_near(sentence) for sentence in passage if len(sentence.stems & claim.sentence.stems) > 1)]
    pairs = [frozenset(pair) for pair in zip(stems, stems[1:], strict=False)]
    return sum(any(pair in near for near in sources) for pair in pairs) / len(pairs)


def support(claim: Claim, passage: tuple[Sentence, ...]) -> float:
    """How far the context supports the claim, 0-1; at least `VERDICT` means entailed."""
    claim = in_words_of(claim, passage)
    own = {token.stem: token.weight for token in claim.sentence.tokens}
    chosen = choice_support(claim, passage)
    if not own:
        return chosen if chosen is not None else 0.0
    pieces = [(piece, frozenset().union(*(sentence.reach for sentence in piece))) for piece in _evidence(claim, passage)]
    best, stems = max(((_covered(own, stems), stems) for _, stems in pieces), key=lambda item: item[0], default=(0.0, frozenset()))
    new = {token.stem: token.weight for token in claim.new}
    if not new:
        score = chosen if chosen is not None else 0.5 * best
    else:
        tight = max((_tightness(new, claim.sentence.stems, piece[0]) for piece, _ in pieces if len(piece) == 1), default=0.0)
        score = 0.45 * tight + 0.25 * best + 0.3 * _proximity(claim, passage)
        if chosen is not None:
            score = 0.5 * score + 0.5 * chosen
    return score * _penalty(claim, passage, stems)


def _penalty(claim: Claim, passage: tuple[Sentence, ...], evidence: frozenset[str]) -> float:
    """Factor for what one word can turn: names and numbers, negation, repetition, a broken end."""
    sentence, factor = claim.sentence, 1.0
    if claim.hard - vocabulary(passage):
        factor = 0.3
    elif (claim.new and (sentence.numbers | sentence.names) - evidence) or has_rival(claim, passage):
        factor = 0.45
    closest = max(passage, key=lambda other: len(other.stems & sentence.stems), default=None)
    if contradicts(claim, closest):
        factor *= 0.4
    counts = Counter(token.stem for token in sentence.tokens)
    allowed = Counter(token.stem for token in closest.tokens) if closest is not None else counts
    repeated = sum(max(0, count - max(1, allowed[stem])) for stem, count in counts.items())
    factor *= 1.0 - repeated / sum(counts.values())
    return factor * (0.4 if is_broken(claim, passage) else 1.0) * (0.2 if claim.refusal else 1.0)
