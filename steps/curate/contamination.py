"""The golden set never enters training: which prompts hold a held-out question or fact."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from steps.core.golden import GoldenItem, normalise, words


class GoldenGuard:
    """Recognises prompts that ask a golden question or carry a golden statement in their contexts.

    Texts are compared as case-folded words, so spacing, case and punctuation hide nothing.
    Time grows with the length of the contexts, not with the number of golden items.
    """

    def __init__(self, items: Iterable[GoldenItem]) -> None:
        items = tuple(items)
        self._questions = frozenset(normalise(item.question) for item in items)
        self._statements: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        for statement in {tuple(words(item.statement)) for item in items if item.statement}:
            if statement:
                self._statements.setdefault(statement[:2], set()).add(statement)
        # Traffic repeats contexts a lot; each distinct one is read once.
        self._holds_statement = functools.lru_cache(maxsize=65536)(self._search)

    def holds(self, question: str, contexts: Iterable[str]) -> bool:
        """Whether this prompt would teach the golden set."""
        return normalise(question) in self._questions or any(self._holds_statement(context) for context in contexts)

    def _search(self, context: str) -> bool:
        text = words(context)
        for start, word in enumerate(text):
            for head in ((word,), tuple(text[start : start + 2])):
                for statement in self._statements.get(head, ()):
                    if tuple(text[start : start + len(statement)]) == statement:
                        return True
        return False
