"""A context as sentences, analysed once per text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from steps.serve.judge.lexical.tokens import NAME, NUMBER, Token, tokenize

# A full stop ends a sentence before white space, or directly before a capital ("…century.First for Women…").
_BREAK = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|(?<=[a-z0-9)\]\"”][.!?])(?=[\"“(]?[A-Z])|(?<=[。！？])|[\r\n\u2028]+")
_ABBREVIATION = re.compile(
    r"(?:(?:^|[\s(.])[^\W\d_]|\b(?:mr|mrs|ms|dr|st|vs|jr|sr|prof|gen|col|lt|sgt|capt|rev|hon|inc|ltd|co|corp|no|fig|ca|approx|mt|ft|dept|est|etc|e\.g|i\.e))\.$",
    re.IGNORECASE,
)
_MAX_CHARS = 1200
_MAX_TOKENS = 240
_LETTER = re.compile(r"[^\W_]")


_PRONOUN = re.compile(r"^\W*(?:it|he|she|they|its|his|her|their)\b", re.IGNORECASE)
_CONTINUES = re.compile(r"^\W*(?:it|he|she|they|its|his|her|their|this|these|that|those|the|there)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """One sentence: its content words in order and the sets that the scorers ask for. Compared by identity.

    Attributes:
        stems: all content words.
        negations: places in `tokens` before which a negation stands.
        names: those written like names.
        numbers: those that are numbers.
        paragraph: which line of the context it stands in.
        subject: names that its opening pronoun ("It …", "The …") takes over from the sentence before.
    """

    text: str
    tokens: tuple[Token, ...]
    negations: tuple[int, ...]
    stems: frozenset[str]
    names: frozenset[str]
    numbers: frozenset[str]
    paragraph: int
    subject: frozenset[str]

    @property
    def negated(self) -> bool:
        """An odd number of negations."""
        return len(self.negations) % 2 == 1

    @property
    def reach(self) -> frozenset[str]:
        """Words that the sentence says or refers to."""
        return self.stems | self.subject


def split_sentences(text: str) -> list[str]:
    """Sentences of a text; abbreviations and initials do not end one, `_MAX_CHARS` does."""
    sentences: list[str] = []
    pending = ""
    cursor = 0
    for match in [*_BREAK.finditer(text), None]:
        piece = text[cursor : match.start() if match else len(text)].strip()
        cursor = match.end() if match else len(text)
        while len(piece) > _MAX_CHARS:
            cut = piece.rfind(" ", _MAX_CHARS // 2, _MAX_CHARS)
            cut = cut if cut > 0 else _MAX_CHARS
            sentences.append(f"{pending} {piece[:cut]}".strip())
            pending, piece = "", piece[cut:].strip()
        pending = f"{pending} {piece}" if pending and piece else pending or piece
        hard = match is None or "\n" in match[0] or "\r" in match[0] or len(pending) > _MAX_CHARS
        if pending and (hard or not _ABBREVIATION.search(pending[-12:])):
            sentences.append(pending)
            pending = ""
    return [sentence for sentence in sentences if _LETTER.search(sentence)]


def sentence_of(text: str, paragraph: int = 0, subject: frozenset[str] = frozenset()) -> Sentence:
    """Analyse one sentence; its first 240 content words count."""
    tokens, negations = tokenize(text)
    tokens = tokens[:_MAX_TOKENS]
    return Sentence(
        text=text,
        tokens=tokens,
        negations=negations,
        stems=frozenset(token.stem for token in tokens),
        names=frozenset(token.stem for token in tokens if token.kind == NAME),
        numbers=frozenset(token.stem for token in tokens if token.kind == NUMBER),
        paragraph=paragraph,
        subject=subject,
    )


@lru_cache(maxsize=1024)
def passage_of(context: str) -> tuple[Sentence, ...]:
    """All sentences of a context; its lines are separate paragraphs.

    A pronoun refers back across lines too (a context may be split into sentences), "the" and "this" only within one.
    """
    sentences: list[Sentence] = []
    for number, line in enumerate(re.split(r"[\r\n]+", context)):
        for text in split_sentences(line):
            before = sentences[-1] if sentences else None
            refers = before is not None and (_PRONOUN.match(text) or (before.paragraph == number and _CONTINUES.match(text)))
            sentences.append(sentence_of(text, number, before.names | before.subject if before and refers else frozenset()))
    return tuple(sentences)
