"""Scorer `lexical-entailment-alignment`: does the claim read like one sentence of the context?

Order is everything. The claim is laid along one context sentence: the longest common
word sequence gives a precision, neighbouring pairs that neither the sentence nor the
question holds count against it, and every name and number that the claim adds must be
in that sentence. Independent of the coverage scorer: shuffled or stitched words fail here.
"""

from __future__ import annotations

from steps.serve.judge.lexical.choices import choice_support
from steps.serve.judge.lexical.claims import Claim
from steps.serve.judge.lexical.matching import contradicts, has_rival, in_words_of, is_broken
from steps.serve.judge.lexical.passages import Sentence
from steps.serve.judge.lexical.tokens import Token

NAME = "lexical-entailment-alignment"
VERDICT = 0.65
_MAX_SENTENCES = 8


def _common(claim: tuple[Token, ...], other: tuple[Token, ...]) -> float:
    """Weight of the heaviest common subsequence of two word sequences."""
    row = [0.0] * (len(other) + 1)
    for token in claim:
        diagonal = 0.0
        for j, candidate in enumerate(other, start=1):
            above = row[j]
            row[j] = diagonal + token.weight if candidate.stem == token.stem else max(above, row[j - 1])
            diagonal = above
    return row[-1]


def _pairs(tokens: tuple[Token, ...]) -> list[tuple[str, str]]:
    """Neighbouring words."""
    return [(first.stem, second.stem) for first, second in zip(tokens, tokens[1:], strict=False)]


def _aligned(claim: Claim, sentence: Sentence, topic: frozenset[tuple[str, str]]) -> float:
    """Agreement of the claim with one sentence, 0-1."""
    tokens = claim.sentence.tokens
    new = claim.new or tokens
    total, fresh = sum(token.weight for token in tokens), sum(token.weight for token in new)
    order = _common(new, sentence.tokens) / fresh
    whole = max(_common(tokens, sentence.tokens) / total, order * 0.9 if len(new) < len(tokens) else 0.0)
    pairs, known = _pairs(tokens), topic.union(_pairs(sentence.tokens))
    joined = sum(pair in known for pair in pairs) / len(pairs) if pairs else order
    return (0.45 * order + 0.2 * whole + 0.35 * joined) * _contained(claim, sentence)


def _contained(claim: Claim, sentence: Sentence) -> float:
    """Factor for names and numbers that the sentence lacks: worst for those the claim adds to the question."""
    if claim.hard - sentence.reach:
        return 0.3
    if claim.new and (claim.sentence.names | claim.sentence.numbers) - sentence.reach:
        return 0.45
    return 1.0


def support(claim: Claim, passage: tuple[Sentence, ...]) -> float:
    """How far the context supports the claim, 0-1; at least `VERDICT` means entailed."""
    claim = in_words_of(claim, passage)
    chosen = choice_support(claim, passage)
    if not claim.sentence.tokens:
        return chosen if chosen is not None else 0.0
    ranked = sorted(passage, key=lambda sentence: -len(sentence.stems & claim.sentence.stems))[:_MAX_SENTENCES]
    topic = frozenset(_pairs(claim.topic.tokens))
    scores = [(_aligned(claim, candidate, topic), candidate) for candidate in ranked]
    score, sentence = max(scores, key=lambda item: item[0], default=(0.0, None))
    if not claim.new:
        score = chosen if chosen is not None else 0.5 * score
    elif chosen is not None:
        score = 0.5 * score + 0.5 * chosen
    if contradicts(claim, sentence):
        score *= 0.4
    if has_rival(claim, passage):
        score *= 0.45
    return score * (0.4 if is_broken(claim, passage) else 1.0) * (0.2 if claim.refusal else 1.0)
