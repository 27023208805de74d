"""Questions that name their own answers: "X or Y?", "Are both X and Y …?", "Who is older?".

Their right answer adds no word to the question, so what counts is which option the
context speaks for: by date when the question compares in time, otherwise by how much
of the question's predicate stands beside each option.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from steps.serve.judge.lexical.claims import Claim
from steps.serve.judge.lexical.lexicon import NAME_LINKS
from steps.serve.judge.lexical.passages import Sentence, sentence_of
from steps.serve.judge.lexical.tokens import NUMBER, Token

_MAX_NAME_WORDS = 10
_MAX_ASIDE_WORDS = 18
_CLOSED = re.compile(r"^\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b", re.IGNORECASE)
_EARLIER = re.compile(r"\b(?:older|oldest|elder|first|earlier|earliest|before)\b", re.IGNORECASE)
_LATER = re.compile(r"\b(?:younger|youngest|newer|newest|later|latest|more recent(?:ly)?|after|last)\b", re.IGNORECASE)
_BOTH = re.compile(r"\b(?:both|neither|either)\b", re.IGNORECASE)
_LOOSE = frozenset(("older", "oldest", "young", "first", "1#", "2#", "last", "earl", "new", "later", "old", "born", "both", "same"))


@dataclass(frozen=True, slots=True)
class Options:
    """The two things a question names, and what it asks about them."""

    left: frozenset[str]
    right: frozenset[str]
    predicate: tuple[Token, ...]
    joined: bool


def _named(words: list[str]) -> list[bool]:
    """Which words belong to a name: capitalised, numeric, or between double quotes."""
    flags, quoted = [], False
    for word in words:
        opens, marks = word.startswith(('"', "“")), sum(word.count(mark) for mark in '"“”')
        core = word.lstrip("(“\"'")
        flags.append(quoted or opens or bool(core) and (core[0].isupper() or core[0].isdigit()))
        if marks % 2:
            quoted = not quoted
    return flags


def _run(words: list[str], named: list[bool], start: int, step: int) -> list[str]:
    """The name that begins at `start` and grows in the direction of `step`; linking words only between its parts."""
    run: list[str] = []
    links: list[str] = []
    i = start
    while 0 <= i < len(words) and len(run) < _MAX_NAME_WORDS:
        ends = words[i].endswith((",", "?", ";")) and i != start if step < 0 else bool(run) and words[i - 1].endswith((",", "?", ";"))
        if ends:
            break
        if named[i]:
            run.extend((*links, words[i]))
            links = []
        elif words[i].lower() in NAME_LINKS and (run or step > 0):
            links.append(words[i])
        else:
            break
        i += step
    return run[::step]


def _before(words: list[str], named: list[bool], place: int) -> list[str]:
    """The name that ends just before `place`, or before an aside between commas ("X, the band that …, or Y")."""
    last = place - 1
    if last >= 0 and words[last].endswith(",") and not named[last]:
        for i in range(last - 1, max(-1, last - _MAX_ASIDE_WORDS), -1):
            if words[i].endswith(","):
                return _run(words, named, i, -1)
    return _run(words, named, last, -1)


@lru_cache(maxsize=2048)
def options_of(question: str) -> Options | None:
    """The options of a question, or None when it names none."""
    words = question[:2000].split()
    named = _named(words)
    closed, between = bool(_CLOSED.match(question)), "between" in question.lower()
    for place, word in enumerate(words):
        if word not in ("or", "and") or (word == "and" and not closed and not between):
            continue
        left = sentence_of(" ".join(_before(words, named, place))).stems
        right = sentence_of(" ".join(_run(words, named, place + 1, 1))).stems
        used = left | right
        left, right = left - right, right - left
        if left and right:
            predicate = tuple(token for token in sentence_of(question).tokens if token.stem not in used and token.stem not in _LOOSE)
            return Options(left, right, predicate, word == "and" and closed)
    return None


def _about(option: frozenset[str], other: frozenset[str], passage: tuple[Sentence, ...]) -> list[Sentence]:
    """Sentences that speak of an option: those that name it, and what follows until the other one is named."""
    need = max(1, (len(option) + 1) // 2)
    sentences: list[Sentence] = []
    speaking, paragraph = False, -1
    for sentence in passage:
        if sentence.paragraph != paragraph:
            speaking, paragraph = False, sentence.paragraph
        if len(option & sentence.stems) >= need:
            speaking = True
        elif len(other & sentence.stems) >= max(1, (len(other) + 1) // 2):
            speaking = False
        if speaking:
            sentences.append(sentence)
    return sentences


def _year(sentences: list[Sentence]) -> int | None:
    """The first year that the sentences give."""
    for sentence in sentences:
        for token in sentence.tokens:
            if token.kind == NUMBER and len(token.stem) == 4 and token.stem.isdecimal() and "1000" <= token.stem <= "2100":
                return int(token.stem)
    return None


def _coverage(predicate: tuple[Token, ...], sentences: list[Sentence]) -> float:
    """Weighted share of the predicate found in the sentences."""
    if not predicate:
        return 0.5
    stems = frozenset().union(*(sentence.stems for sentence in sentences))
    return sum(token.weight for token in predicate if token.stem in stems) / sum(token.weight for token in predicate)


def choice_support(claim: Claim, passage: tuple[Sentence, ...]) -> float | None:
    """How much the context speaks for the option that the claim picks, 0-1; None when there is nothing to pick."""
    question = claim.topic.text
    options = options_of(question)
    if options is None:
        return None if claim.polar is None else _polar_support(claim, passage)
    left, right = _about(options.left, options.right, passage), _about(options.right, options.left, passage)
    if options.joined:
        likely = min(_coverage(options.predicate, left), _coverage(options.predicate, right))
        if re.search(r"\bsame\b", question, re.IGNORECASE):
            likely = 0.5
        yes = claim.polar if claim.polar is not None else not claim.sentence.negated
        return 0.15 + 0.7 * (likely if yes else 1 - likely)
    pick = _picked(claim, options)
    if pick is None:
        return 0.2 if _BOTH.search(claim.sentence.text) else None
    years = _year(left), _year(right)
    direction = (bool(_LATER.search(question)) - bool(_EARLIER.search(question))) if None not in years and years[0] != years[1] else 0
    if direction:
        right_wins = (years[1] > years[0]) == (direction > 0)  # type: ignore[operator]
        return 0.9 if (pick == "right") == right_wins else 0.1
    lead = _coverage(options.predicate, left) - _coverage(options.predicate, right)
    return min(0.9, max(0.1, 0.5 + (lead if pick == "left" else -lead)))


def _picked(claim: Claim, options: Options) -> str | None:
    """Which option the claim picks: the one it names, or names first."""
    if _BOTH.search(claim.sentence.text):
        return None
    order = [token.stem for token in claim.sentence.tokens]
    first = next((stem for stem in order if stem in options.left or stem in options.right), None)
    if first is None:
        return None
    return "left" if first in options.left else "right"


def _polar_support(claim: Claim, passage: tuple[Sentence, ...]) -> float:
    """Yes and no to a question without options: how well one sentence says what was asked."""
    best = max((_coverage(claim.topic.tokens, [sentence]) for sentence in passage), default=0.0)
    return 0.15 + 0.7 * (best if claim.polar else 1 - best)
