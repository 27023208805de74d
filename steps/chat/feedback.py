"""Users' verdicts in scores: rules turn a score into a number from 0 to 1, and several scores into one. Pure.

What a score means is configuration and never a guess: a name or a label without a rule, or a number
outside its range, becomes a reason that is counted, and changes no label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from steps.chat.span import Score
from steps.contract.config.feedback import FeedbackConfig, FeedbackRule

_SEPARATORS = str.maketrans(dict.fromkeys("-. ", "_"))
_TYPES = {"CATEGORICAL": "categorical", "BOOLEAN": "boolean", "NUMERIC": "numeric"}
_NO_NUMBERS = frozenset({"TEXT", "CORRECTION"})
_TRUTHS = {"true": 1.0, "1": 1.0, "yes": 1.0, "false": 0.0, "0": 0.0, "no": 0.0}
_MAX_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Verdict:
    """A user's opinion of an answer: 0 is the worst, 1 the best. `name` is normalised."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Consent:
    """A claim about consent in a score: the word that it says, as claims are read."""

    word: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A score that is no user feedback by a rule or by its nature. `reason` is one word."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A score that should be counted with its reason: a rule is missing, or the score breaks one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Vote:
    """One verdict on one trace or call.

    Attributes:
        name: normalised name of the score.
        author: who voted; "" when the source does not tell.
        at_ns: when, Unix nanoseconds.
        value: 0-1.
    """

    name: str
    author: str
    at_ns: int
    value: float


def normal_name(name: str) -> str:
    """A score's name or label as rules compare it: lower case, `-`, `.` and space as `_`."""
    return name[:_MAX_CHARACTERS].strip().casefold().translate(_SEPARATORS)


def verdict_of(
    name: str, data_type: str, number: Any, label: str, source: str, rules: FeedbackConfig, author: str = ""
) -> Verdict | Consent | Ignored | Refused:
    """What a score says, whatever its shape.

    Args:
        name: as the source spells it.
        data_type: NUMERIC, BOOLEAN, CATEGORICAL, TEXT or CORRECTION; "" when the source has no types.
        number: its number or truth value; None without one.
        label: its text; "" without one.
        source: API, ANNOTATION or EVAL; "" when the source does not tell.
        rules: the block `feedback`.
        author: the person who annotated; "" when nobody is named.
    """
    plain, kind = normal_name(name), data_type.upper()
    fitting = [rule for rule in rules.rules if _has_name(rule, plain)]
    data = _TYPES.get(kind) or _type_by_shape(number, label)
    rule = next((rule for rule in fitting if rule.type in (data, "any")), None)
    if rule is not None and rule.as_ == "ignore":
        return Ignored("feedback-ignored")
    if rule is not None and rule.as_ == "consent":
        # Whoever says it and in whatever type: a withdrawal must not be missed, and a word that claims do not know refuses.
        word = _consent_word(number, label)
        return Consent(word) if word else Refused("feedback-without-value")
    if kind in _NO_NUMBERS:
        return Ignored("feedback-text" if kind == "TEXT" else "feedback-correction")
    if source and source.upper() not in {item.upper() for item in rules.sources}:
        return Ignored("feedback-source")
    if source.upper() == "ANNOTATION" and not author:
        return Ignored("annotation-without-author")  # a score that a program put there for a person to confirm looks the same
    if not fitting:
        return Refused("feedback-unmapped")
    if rule is None:
        return Refused("feedback-unmapped-type")
    value = _value(rule, data, number, label)
    return value if isinstance(value, Refused) else Verdict(plain, value)


def meaning_of(score: Score, rules: FeedbackConfig) -> Verdict | Consent | Ignored | Refused:
    """What a score as it was read says; see `verdict_of`."""
    return verdict_of(score.name, score.data_type, score.number, score.label, score.source, rules, score.author)


def combine(votes: Iterable[Vote]) -> float | None:
    """One verdict out of all votes on a trace or call; None without any.

    The last vote of a person under a name counts: a thumb can be changed. A person counts once, also
    under several names. Several people count alike. The result depends on the set of votes alone.
    """
    last: dict[tuple[str, str], Vote] = {}
    for vote in votes:
        key = (vote.author, normal_name(vote.name))
        known = last.get(key)
        if known is None or (vote.at_ns, -vote.value) > (known.at_ns, -known.value):
            last[key] = vote
    people: dict[str, list[float]] = {}
    for (author, _), vote in last.items():
        people.setdefault(author, []).append(vote.value)
    means = [math.fsum(values) / len(values) for values in people.values()]
    return math.fsum(means) / len(means) if means else None


def _has_name(rule: FeedbackRule, plain: str) -> bool:
    names = (normal_name(name) for name in rule.name)
    return any(plain.startswith(name[:-1]) if name.endswith("*") else plain == name for name in names)


def _type_by_shape(number: Any, label: str) -> str:
    """The type of a score whose source has none."""
    if isinstance(number, bool):
        return "boolean"
    return "categorical" if label.strip() else "numeric"


def _consent_word(number: Any, label: str) -> str:
    """The word of a consent score; "" without one."""
    if label.strip():
        return label.strip()[:_MAX_CHARACTERS]
    if not isinstance(number, (bool, int, float)):
        return ""
    return "true" if number == 1 else "false" if number == 0 else str(number)[:_MAX_CHARACTERS]


def _value(rule: FeedbackRule, data: str, number: Any, label: str) -> float | Refused:
    """The verdict of a score by its rule."""
    word = normal_name(label)
    if data == "categorical":
        if not word:
            return Refused("feedback-without-value")
        return next((value for key, value in rule.map.items() if normal_name(key) == word), Refused("feedback-unmapped-label"))
    if not isinstance(number, (bool, int, float)):
        number = _TRUTHS.get(word) if data == "boolean" else None
    if number is None:
        return Refused("feedback-without-value")
    worst, best = rule.range or (0.0, 1.0)
    is_inside = min(worst, best) <= number <= max(worst, best)
    if not is_inside or (data == "boolean" and number not in (0, 1)):
        return Refused("feedback-out-of-range")
    return (float(number) - worst) / (best - worst)
