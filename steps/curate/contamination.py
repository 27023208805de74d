"""The golden set never enters training: which prompts hold a held-out question or fact."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable

from steps.store.golden import GoldenItem, normalise, words

# A question that holds this share of a golden question's letters, rare sequences counting more, asks the same.
NEAR_RATIO = 0.85
_GRAM = 4
# Shorter golden questions are found as whole questions only: as parts they stand in innocent text, too.
_MIN_PART_WORDS = 4


class GoldenGuard:
    """Recognises prompts that ask a golden question or carry a golden statement.

    A prompt is held out when its question is a golden one in any spelling, or nearly: with
    politeness around it, in another order or number, or with a slip of the pen, so long as every
    number of the golden question is in it; when any turn of the conversation contains a golden
    question; or when a context contains a golden statement. Texts are compared as case-folded
    words, so spacing, case and punctuation hide nothing. A question in wholly other words is only
    recognised by its statement: give golden items one where there is one.

    Time grows with the length of the texts, hardly with the number of golden items.
    """

    def __init__(self, items: Iterable[GoldenItem]) -> None:
        items = tuple(items)
        self._questions = frozenset(normalise(item.question) for item in items)
        self._statements = _by_head(words(item.statement) for item in items if item.statement)
        asked = (words(item.question) for item in items)
        self._parts = _by_head(question for question in asked if len(question) >= _MIN_PART_WORDS)
        self._near = _NearQuestions(self._questions)
        # Traffic repeats contexts and questions a lot; each distinct one is read once.
        self._holds_statement = functools.lru_cache(maxsize=65536)(lambda text: _contains(text, self._statements))
        self._holds_question = functools.lru_cache(maxsize=65536)(lambda text: _contains(text, self._parts))
        self._is_near = functools.lru_cache(maxsize=65536)(self._near.holds)

    def holds(self, question: str, contexts: Iterable[str], turns: Iterable[str] = ()) -> bool:
        """Whether this prompt would teach the golden set.

        Args:
            question: what was asked last.
            contexts: what was retrieved for it.
            turns: everything that users said in the conversation.
        """
        asked = normalise(question)
        return (
            asked in self._questions
            or self._is_near(asked)
            or any(self._holds_statement(context) for context in contexts)
            or any(self._holds_question(turn) for turn in (question, *turns))
        )


Heads = dict[tuple[str, ...], set[tuple[str, ...]]]


def _by_head(texts: Iterable[list[str]]) -> Heads:
    """Word sequences by their first two words, or their only one."""
    heads: Heads = {}
    for text in {tuple(text) for text in texts if text}:
        heads.setdefault(text[:2], set()).add(text)
    return heads


def _contains(text: str, heads: Heads) -> bool:
    """Whether one of the sequences stands in the text in one piece."""
    found = words(text)
    for start, word in enumerate(found):
        for head in ((word,), tuple(found[start : start + 2])):
            for sequence in heads.get(head, ()):
                if tuple(found[start : start + len(sequence)]) == sequence:
                    return True
    return False


class _NearQuestions:
    """Golden questions by their rare letter sequences.

    The sequences of a question weigh more the fewer golden questions have them, so that two
    questions which differ in a name differ. Only the rarest, without which NEAR_RATIO cannot be
    reached, are looked up (prefix filtering); the rest is compared for what they find.

    Source: Chaudhuri, Ganti and Kaushik, A Primitive Operator for Similarity Joins in Data Cleaning (2006).
    """

    def __init__(self, questions: Iterable[str]) -> None:
        grams = {question: _grams(question) for question in sorted(questions)}
        counts = Counter(gram for own in grams.values() for gram in own)
        self._weights = {gram: math.log(1 + len(grams) / count) for gram, count in counts.items()}
        self._totals = {question: sum(self._weights[gram] for gram in own) for question, own in grams.items()}
        self._grams = grams
        self._numbers = {question: _numbers(question) for question in grams}
        self._rare: dict[str, list[str]] = {}
        for question, own in grams.items():
            missing = 0.0
            for gram in sorted(own, key=lambda gram: (-self._weights[gram], gram)):
                self._rare.setdefault(gram, []).append(question)
                missing += self._weights[gram]
                if missing > (1 - NEAR_RATIO) * self._totals[question]:
                    break

    def holds(self, question: str) -> bool:
        """Whether a normalised question is nearly a golden one."""
        own = _grams(question)
        candidates = {golden for gram in own for golden in self._rare.get(gram, ())}
        return any(self._is_near(golden, question, own) for golden in candidates)

    def _is_near(self, golden: str, question: str, own: frozenset[str]) -> bool:
        # A long text holds most letter sequences of any short question.
        if len(question) > 3 * len(golden) + 40 or not self._numbers[golden] <= _numbers(question):
            return False
        shared = sum(self._weights[gram] for gram in self._grams[golden] & own)
        if shared < NEAR_RATIO * self._totals[golden]:
            return False
        # Another name in the same sentence makes another question: no word but the shortest may be missing as a whole.
        telling = (_grams(word) for word in golden.split() if len(word) >= (_GRAM if word.isascii() else 2))
        return all(len(grams & own) >= 0.4 * len(grams) for grams in telling)


def _grams(text: str) -> frozenset[str]:
    """Letter sequences of each word with its borders; their order between words does not count."""
    found = set()
    for word in text.split():
        padded = f" {word} "
        found |= {padded[start : start + _GRAM] for start in range(max(1, len(padded) - _GRAM + 1))}
    return frozenset(found)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(word for word in text.split() if any(char.isdigit() for char in word))
