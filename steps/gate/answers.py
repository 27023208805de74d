"""Measures of an answer that need no judge: refusal, length, form, the gold fact. Pure."""

from __future__ import annotations

import re

from steps.store.golden import GoldenItem, words

# Non-committal answers: a model that learned to refuse scores well on faithfulness and helps nobody.
_REFUSAL = re.compile(
    r"\b(?:it depends"
    r"|(?:i|we)(?:'m| am| are|'re)? (?:not sure|unsure|unable|sorry|afraid)"
    r"|(?:i|we) (?:do not|don['’]t|can ?not|can['’]t|could not|couldn['’]t) (?:know|say|tell|answer|help|find|determine|provide)"
    r"|(?:i|we) have no (?:idea|information|answer)"
    r"|as an ai\b"
    r"|please (?:check|consult|contact|refer|see|ask)"
    r"|(?:cannot|can['’]t|could not) be (?:determined|answered)"
    r"|(?:no|not enough|insufficient) information"
    r"|(?:the )?(?:context|documents?|text) (?:does not|doesn['’]t|do not|don['’]t) (?:say|mention|contain|provide|specify|include))",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…。！？][\"'”’)\]]*$")


def is_refusal(answer: str) -> bool:
    """Whether the answer commits to nothing; an empty answer does not."""
    return not answer.strip() or _REFUSAL.search(answer) is not None


def length_words(answer: str) -> int:
    """Words between white space."""
    return len(answer.split())


def is_fluent(answer: str, pattern: re.Pattern[str] | None) -> bool:
    """Whether the answer is well formed.

    With a pattern (the golden set's own): the whole answer matches. Without: it is not
    empty, printable, ends with sentence punctuation and repeats no three words in a row.
    """
    text = answer.strip()
    if pattern is not None:
        return pattern.fullmatch(text) is not None
    if not text or _END.search(text) is None or not all(char.isprintable() or char in "\n\t" for char in text):
        return False
    tokens = words(text)
    trigrams = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return len(set(trigrams)) == len(trigrams)


def restates_gold(answer: str, item: GoldenItem) -> bool | None:
    """Whether the answer holds the gold value as whole words, and the gold statement if there is one.

    No judge is asked, so a reward that is being gamed shows here. None: the item has no gold value.
    """
    if item.gold is None:
        return None
    spoken = words(answer)
    return _contains(spoken, words(item.gold)) and (item.statement is None or _contains(spoken, words(item.statement)))


def _contains(text: list[str], part: list[str]) -> bool:
    """Whether `part` stands in `text` in one piece."""
    return bool(part) and any(text[start : start + len(part)] == part for start in range(len(text) - len(part) + 1))
