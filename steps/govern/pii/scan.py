"""The scan: which texts can hold personal data or secrets, and where.

Sets of widened patterns, built from the rules themselves, are searched in one linear pass each and name the rules that
can match; only those read the text again. No pattern of an untrusted text backtracks. More candidates than a text
of its length honestly holds stop the scan: the caller refuses the row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steps.govern.pii import checks, label_values, phones, texts, wrapped
from steps.govern.pii.checks import Check, Hit, Span
from steps.govern.pii.fold import Folded, fold
from steps.govern.pii.rules import GROUPS, Form, Group, Rule, rules, tables, widen

if TYPE_CHECKING:
    import re2

_SET_BYTES = 256 << 20
_RULE_BYTES = 64 << 20
MAX_CANDIDATES = 5000
MAX_DEPTH = 2
"""Layers of base64 and the like that are unwrapped; what is wrapped deeper counts as found."""
_NO_DIGITS = bytes(sign for sign in range(256) if not 0x30 <= sign <= 0x39)
_BLOB_KINDS = ("secret", "credentials", "email")
_LABEL_READERS: dict[str, Check] = {
    "phone": phones.phone,
    "phone_before": label_values.phone_before,
    "token": label_values.token,
    "token_before": label_values.token_before,
    "number": label_values.number,
    "number_before": label_values.number_before,
    "code": label_values.code,
    "date": label_values.birth,
    "date_before": label_values.birth_before,
}


class Overflow(Exception):
    """A text holds more candidates than any honest text of its length."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in a text: the kind of data and the half-open span to replace."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class _Matcher:
    """A rule, ready to run."""

    rule: Rule
    pattern: Any
    check: Check
    digits: Span


def _options(form: Form, max_mem: int) -> re2.Options:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1 if form == "signs" else re2.Options.Encoding.UTF8
    options.max_mem = max_mem
    options.log_errors = False
    return options


def _check_of(rule: Rule) -> Check:
    if rule.label:
        return _LABEL_READERS[rule.check]
    if rule.check in ("", "any"):
        return checks.anything
    if rule.check.startswith("stdnum:"):
        return checks.by_stdnum(rule.check.removeprefix("stdnum:"))
    for module in (checks, phones, texts):
        if (check := getattr(module, rule.check, None)) is not None:
            return check  # type: ignore[no-any-return]
    raise LookupError(f"{rule.kind}: no check is called {rule.check!r}")


def _compile(rule: Rule) -> _Matcher:
    import re2

    digits = tuple(tables()["labels"][rule.label]["digits"]) if rule.label else (0, 99)
    return _Matcher(rule, re2.compile(_encode(rule.pattern, rule.form), _options(rule.form, _RULE_BYTES)), _check_of(rule), digits)


def _encode(pattern: str, form: Form) -> bytes:
    return pattern.encode("latin-1" if form == "signs" else "utf-8")


@functools.cache
def matchers(group: Group) -> tuple[_Matcher, ...]:
    """The rules of one group, compiled."""
    return tuple(_compile(rule) for rule in rules() if rule.group == group)


def _build_set(rules_of_set: Sequence[_Matcher], max_count: int) -> Callable[[bytes], Sequence[int]]:
    import re2

    form = rules_of_set[0].rule.form
    result = re2.Set.SearchSet(_options(form, _SET_BYTES))
    for matcher in rules_of_set:
        result.Add(_encode(widen(matcher.rule.pattern, max_count), form))
    result.Compile()
    return lambda text: result.Match(text) or ()


@functools.cache
def rule_sets(group: Group) -> tuple[tuple[int, Callable[[bytes], Sequence[int]]], ...]:
    """The sets of one group: where each begins among its `matchers`, and what gives the numbers within it that can match."""
    compiled, bounds = matchers(group), GROUPS[group]
    starts = range(0, len(compiled), bounds.set_rules)
    return tuple((start, _build_set(compiled[start : start + bounds.set_rules], bounds.max_count)) for start in starts)


def _candidates(text: Folded) -> Iterator[_Matcher]:
    """Rules that can match a text."""
    digits = len(text.signs.translate(None, _NO_DIGITS))
    for group, bounds in GROUPS.items():
        if digits >= bounds.digits:
            compiled = matchers(group)
            data = text.signs if compiled[0].rule.form == "signs" else text.words
            for start, search in rule_sets(group):
                for number in sorted(search(data)):
                    yield compiled[start + number]


def _hits(matcher: _Matcher, text: Folded) -> Iterator[Hit]:
    """Every match of a rule, in characters of the folded text."""
    rule = matcher.rule
    position: Callable[[int], int] = (lambda byte: byte) if rule.form == "signs" else text.position
    for match in matcher.pattern.finditer(text.signs if rule.form == "signs" else text.words):
        if rule.label and not rule.check.endswith("_before"):
            lead, start, end = match.end(1), match.end(2) - 1, match.end(2)
        else:
            group = (
                max((number for number in range(1, match.re.groups + 1) if match.start(number) >= 0), default=0) if not rule.label else 1
            )
            lead, (start, end) = match.start(), match.span(group)
        yield Hit(text, position(start), position(end), position(lead), matcher.digits)


def _accept(matcher: _Matcher, hit: Hit) -> Span | None:
    """The span that a rule finds at a hit; None when its check or a veto says no."""
    rule = matcher.rule
    if hit.text.signs[hit.end : hit.end + 5].find(b">") >= 0 and checks.is_mask(hit):
        return None
    if rule.kind not in _BLOB_KINDS and checks.is_in_blob(hit):
        return None
    if rule.label and not rule.check.endswith("_before") and checks.has_veto(hit.text.plain[hit.lead : hit.start]):
        return None
    if rule.kind == "national_id" and not rule.label and checks.is_part(hit):
        return None
    if rule.veto and (checks.is_part(hit) or checks.has_veto(hit.before()) or checks.is_in_path(hit)):
        return None
    return matcher.check(hit)


def _scan(text: Folded, depth: int) -> Iterator[Finding]:
    """Yield what the rules find in a folded text, and what is wrapped in it; spans may overlap."""
    left = MAX_CANDIDATES
    for matcher in _candidates(text):
        for hit in _hits(matcher, text):
            left -= 1
            if left < 0:
                raise Overflow("too many candidates")
            span = _accept(matcher, hit)
            if span is not None:
                yield Finding(matcher.rule.kind, *text.span(*span))
    for start, end, inner in wrapped.layers(text.signs):
        left -= 1
        if left < 0:
            raise Overflow("too much wrapped text")
        if depth == MAX_DEPTH or any(True for _ in _scan(fold(inner), depth + 1)):
            yield Finding("encoded", *text.span(start, end))


def _can_hold(text: Folded) -> bool:
    return any(True for _ in _candidates(text)) or any(True for _ in wrapped.layers(text.signs))


def which(texts: Sequence[str]) -> list[bool]:
    """Flags of texts, (texts,): whether `find` can find anything in them; one linear pass a text."""
    return [_can_hold(fold(text)) for text in texts]


def find(text: str, first: bool = False) -> list[Finding]:
    """Personal data and secrets of a text, in its order; with `first` at most one, whichever comes up first.

    Raises:
        Overflow: too many candidates; refuse the text.
    """
    findings = _scan(fold(text), 0)
    if first:
        return [finding for finding, _ in zip(findings, range(1), strict=False)]
    return sorted(set(findings), key=lambda item: (item.start, -item.end, item.kind))
