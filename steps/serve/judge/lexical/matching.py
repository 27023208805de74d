"""What both scorers ask about a claim and a passage, whatever their algorithm: spelling variants and rival values."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from steps.serve.judge.lexical.claims import Claim
from steps.serve.judge.lexical.passages import Sentence
from steps.serve.judge.lexical.tokens import WORD, Token


@lru_cache(maxsize=4096)
def vocabulary(passage: tuple[Sentence, ...]) -> frozenset[str]:
    """All content words of a passage."""
    return frozenset().union(*(sentence.stems for sentence in passage))


def _korean(stem: str) -> bool:
    return "\uac00" <= stem[0] <= "\ud7a3"


def _variant(stem: str, words: frozenset[str]) -> str:
    """The passage's form of a Korean word: endings differ, so a shared beginning of two or more letters counts."""
    for other in sorted(words):
        if _korean(other) and len(other) >= 2 and (stem.startswith(other) or other.startswith(stem)):
            return other
    return stem


@lru_cache(maxsize=8192)
def in_words_of(claim: Claim, passage: tuple[Sentence, ...]) -> Claim:
    """The claim with its Korean words spelt as the passage spells them; other claims unchanged."""
    words = vocabulary(passage)
    forms = {t.stem: _variant(t.stem, words) for t in claim.sentence.tokens if t.stem not in words and len(t.stem) >= 2 and _korean(t.stem)}
    if not forms:
        return claim

    def spelt(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        return tuple(Token(forms.get(token.stem, token.stem), token.kind) for token in tokens)

    tokens = spelt(claim.sentence.tokens)
    return replace(claim, sentence=replace(claim.sentence, tokens=tokens, stems=frozenset(t.stem for t in tokens)), new=spelt(claim.new))


def has_rival(claim: Claim, passage: tuple[Sentence, ...]) -> bool:
    """True when a bare number answers for another subject than the one asked about.

    No sentence with the claimed number names everything that the question names, but one with another number does.
    """
    value = claim.hard & claim.sentence.numbers
    names = claim.topic.names
    if not value or len(claim.new) < len(claim.sentence.tokens) or not names:
        return False
    holders = [sentence for sentence in passage if value <= sentence.stems]
    if not holders or any(names <= sentence.reach for sentence in holders):
        return False
    return any(names <= sentence.stems and sentence.numbers - claim.topic.numbers for sentence in passage if sentence not in holders)


def contradicts(claim: Claim, sentence: Sentence | None) -> bool:
    """True when one of the two denies what the other says.

    A denial in the context counts where it touches the claim's words; a bare value (nothing of the question repeated) denies nothing.
    """
    if sentence is None or claim.polar is not None:
        return False
    states = len(claim.new) < len(claim.sentence.tokens) or len(claim.sentence.tokens) > 3
    touched = 0
    if states:
        for place in sentence.negations:
            around = sentence.tokens[max(0, place - 2) : place + 3]
            touched += sum(token.stem in claim.sentence.stems for token in around) >= 2
    return claim.sentence.negated != (touched % 2 == 1)


def is_broken(claim: Claim, passage: tuple[Sentence, ...]) -> bool:
    """True for a sentence that stops before its value: on a function word, or where a context sentence goes on.

    A claim without a name or number of its own that is the beginning of a context sentence is broken when
    it has no end mark, or when only the name or number at the end of that sentence is missing.
    """
    if claim.cut:
        return True
    tokens = claim.sentence.tokens
    if claim.hard or not tokens or tokens[0].stem not in claim.topic.names or not claim.new:
        return False
    for sentence in passage:
        rest = sentence.tokens[len(tokens) :]
        same = all(mine.stem == other.stem for mine, other in zip(tokens, sentence.tokens, strict=False))
        if rest and same and (not claim.ended or (len(rest) == 1 and rest[0].kind != WORD)):
            return True
    return False
