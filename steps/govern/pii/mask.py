"""Masking of one trace: a value has one mask, such as `<EMAIL_1>`, wherever in the trace it stands.

Masks are numbered by trace and say nothing of the value, so that two traces of one person cannot be linked by them.
What one text introduces, a name or a number with its label, is masked in all others too. Then everything is searched
again: a trace in which something is left is refused.
"""

from __future__ import annotations

import bisect
import functools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from steps.contract.config.govern import PersonalKind
from steps.govern.pii import leaves
from steps.govern.pii.fold import Folded, fold, fold_letters
from steps.govern.pii.leaves import Leaf
from steps.govern.pii.scan import Finding, Overflow, find

MAX_NAMES = 64
"""Names that a trace may introduce: more are a list of people, or an attack."""
MAX_VALUES = 2000
_ROUNDS = 3
_CACHED_CHARACTERS = 65536
_MIN_ECHO, _MIN_DIGITS = 6, 7
_RANK = {kind: rank for rank, kind in enumerate(get_args(PersonalKind))}
_HANGUL = re.compile("[가-힣]{3,5}")


@dataclass(frozen=True)
class Masked:
    """The masked texts of one trace.

    Attributes:
        texts: as many as were put in, in their order.
        kinds: kinds of what was found, in alphabetical order.
        json_texts: the same for JSON texts; each is JSON as before.
        refusal: why the trace must not be kept: "overflow", "error" or "mask-incomplete"; "" when nothing is left in it.
    """

    texts: list[str]
    kinds: tuple[str, ...] = ()
    json_texts: list[str] = field(default_factory=list)
    refusal: str = ""

    @property
    def clean(self) -> bool:
        """Whether a second search found nothing."""
        return not self.refusal


@functools.lru_cache(maxsize=512)
def _find_cached(text: str) -> tuple[Finding, ...]:
    return tuple(find(text))


def find_all(text: str) -> Sequence[Finding]:
    """What `find` finds; prompts that traces share are searched once."""
    return _find_cached(text) if len(text) <= _CACHED_CHARACTERS else find(text)


def _canonical(text: str) -> str:
    """One value however it is written: letters and digits alone."""
    return "".join(sign for sign in fold_letters(text).casefold() if sign.isalnum())


def _merge(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that overlap as one, of the gravest kind."""
    result: list[Finding] = []
    for finding in sorted(findings, key=lambda item: (item.start, -item.end)):
        if result and finding.start < result[-1].end:
            last = result[-1]
            kind = min(last.kind, finding.kind, key=_RANK.__getitem__)
            result[-1] = Finding(kind, last.start, max(last.end, finding.end))
        else:
            result.append(finding)
    return result


class Masker:
    """The values of one trace and their masks."""

    def __init__(self) -> None:
        self._masks: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._words: dict[str, str] = {}  # pattern of a value -> its canonical form
        self._names = 0
        self.kinds: set[str] = set()
        self._echo: Any = None

    def mask_of(self, kind: str, text: str) -> str:
        """The mask of a value."""
        value = _canonical(text) or text
        if value not in self._masks:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._masks[value] = f"<{kind.upper()}_{self._counts[kind]}>"
        self.kinds.add(kind)
        return self._masks[value]

    def learn(self, kind: str, text: str) -> None:
        """Remember a value for `echoes`.

        Raises:
            Overflow: more names or values than an honest trace holds.
        """
        mask = self.mask_of(kind, text)
        plain = fold(text).plain.strip()
        value = _canonical(text)
        if kind == "name":
            if len(plain) > 2 and plain not in self._words:
                self._names += 1
            for word in _name_words(plain):
                self._words.setdefault(re.escape(word), mask)
        elif kind != "encoded" and len(value) >= _MIN_ECHO:
            digits = re.sub("[^0-9]", "", value)
            is_number = len(digits) >= _MIN_DIGITS and len(digits) == len(value)
            self._words.setdefault("[-. ]{0,2}".join(digits) if is_number else re.escape(plain), mask)
        self._echo = None
        if self._names > MAX_NAMES or len(self._words) > MAX_VALUES:
            raise Overflow("too many values")

    def _pattern(self) -> Any:
        import re2

        if self._echo is None:
            options = re2.Options()
            options.log_errors = False
            options.max_mem = 256 << 20
            words = sorted(self._words, key=lambda item: (-len(item), item))
            self._echo = re2.compile("|".join(f"({word})" for word in words).encode(), options), [self._words[word] for word in words]
        return self._echo

    def echoes(self, text: Folded) -> Iterator[tuple[int, int, str]]:
        """Yield (start, end, mask) of the known values in a text, in its original positions."""
        if not self._words:
            return
        pattern, masks = self._pattern()
        for match in pattern.finditer(text.words):
            start, end = text.position(match.start()), text.position(match.end())
            while text.plain[end - 1] in "님씨 ":
                end -= 1
            if _stands_alone(text.plain, start, end):
                yield *text.span(start, end), masks[match.lastindex - 1] if match.lastindex else ""


def _name_words(name: str) -> list[str]:
    """A name and its parts, as they may stand elsewhere."""
    if _HANGUL.fullmatch(name):
        given = name[2:] if len(name) > 3 else name[1:]
        return [name, *(f"{given}{blank}{title}" for blank in ("", " ") for title in ("님", "씨"))]
    return [word for word in (name, *re.findall(r"[^\W\d_][\w'-]{2,}", name[:64])) if len(word) > 2]


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether neither letter nor digit of the same script goes on beside a span."""
    before, after = text[start - 1 : start], text[end : end + 1]
    first, last = text[start], text[end - 1]
    if first.isascii():
        return not (before.isascii() and before.isalnum() and first.isalnum()) and not (
            after.isascii() and after.isalnum() and last.isalnum()
        )
    return not ("가" <= first <= "힣" and "가" <= before <= "힣" and end - start < 3)


def _findings(leaf: Leaf) -> list[Finding]:
    """What a leaf's own text holds, its context not; none overlap."""
    own = len(leaf.context)
    return [
        replace(item, start=max(item.start, own) - own, end=item.end - own) for item in _merge(find_all(leaf.scanned)) if item.end > own
    ]


def _mask_leaf(leaf: Leaf, findings: Sequence[Finding], masker: Masker) -> Leaf:
    """The leaf with its findings and the trace's known values masked."""
    text = leaf.text
    marks = [(item.start, item.end, masker.mask_of(item.kind, text[item.start : item.end])) for item in findings]
    starts = [start for start, _, _ in marks]
    for start, end, mask in list(masker.echoes(fold(text))):
        place = bisect.bisect_left(starts, end)
        if place == 0 or marks[place - 1][1] <= start:
            marks.append((start, end, mask))
    if not marks:
        return leaf
    result, position = [], 0
    for start, end, mask in sorted(marks):
        result += [text[position:start], mask]
        position = end
    return replace(leaf, text="".join((*result, text[position:])))


def _mask_leaves(items: list[Leaf], masker: Masker) -> tuple[list[Leaf], bool]:
    """Masked leaves, and whether a further search finds nothing in them. Leaves that are alike are masked once."""
    for _ in range(_ROUNDS + 1):
        findings = {item: _findings(item) for item in dict.fromkeys(items)}
        if not any(findings.values()):
            return items, True
        for item, own in findings.items():
            for finding in own:
                masker.learn(finding.kind, item.text[finding.start : finding.end])
        masked = {item: _mask_leaf(item, own, masker) for item, own in findings.items()}
        items = [masked[item] for item in items]
    return items, False


def mask_trace(texts: Sequence[str], json_texts: Sequence[str] = ()) -> Masked:
    """Mask the texts of one trace; it never raises.

    Args:
        texts: plain texts.
        json_texts: tool arguments and results; what is no JSON is read as text.
    """
    masker = Masker()
    documents = [leaves.parse(text) for text in json_texts]
    try:
        parts = [[Leaf(text)] for text in texts]
        parts += [
            list(leaves.walk(document)) if document is not None else [Leaf(text)]
            for text, document in zip(json_texts, documents, strict=True)
        ]
        flat, is_clean = _mask_leaves([leaf for part in parts for leaf in part], masker)
    except Overflow:
        return Masked(list(texts), tuple(sorted(masker.kinds)), list(json_texts), "overflow")
    except Exception:  # fail closed: a text that breaks a rule must not pass by it
        return Masked(list(texts), tuple(sorted(masker.kinds)), list(json_texts), "error")
    rest = iter(flat)
    masked = [next(rest).text for _ in texts]
    masked_json = []
    for text, document in zip(json_texts, documents, strict=True):
        if document is None:
            masked_json.append(next(rest).text)
            continue
        rebuilt = leaves.rebuild(document, lambda: next(rest).text)
        masked_json.append(text if rebuilt == document else json.dumps(rebuilt, ensure_ascii=False))
    return Masked(masked, tuple(sorted(masker.kinds)), masked_json, "" if is_clean else "mask-incomplete")


def mask_json(document: Any) -> tuple[Any, Masked]:
    """One JSON document, or JSON text, masked by itself, and what was found in it."""
    is_text = isinstance(document, str)
    masked = mask_trace((), [document if is_text else json.dumps(document, ensure_ascii=False)])
    return masked.json_texts[0] if is_text else json.loads(masked.json_texts[0]), masked
