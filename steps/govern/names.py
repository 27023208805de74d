"""Name search in English and Korean text: people who introduce themselves, sign, or are addressed.

The search has no dictionary of names, so it misses someone who is merely mentioned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from steps.govern.name_stop_words import KOREAN_NOT_NAMES, NOT_FIRST, NOT_NAMES, SURNAMES

_LINK = r"(?:(?:van|von|der|den|de|da|di|del|la|bin|al)[ \t]+)*"
_PART = r"[A-Z](?:[a-zÀ-ÿ]+(?:['’-][A-Z]?[a-zÀ-ÿ]+)*|['’][A-Z][a-zÀ-ÿ]+)"
_WORD = rf"(?:{_PART}|[A-Z]\.?(?![a-zA-Z]))"
_NAME = rf"{_WORD}(?:[ \t]+{_LINK}{_WORD}){{0,3}}"
_FULL_NAME = rf"{_PART}(?:[ \t]+[A-Z]\.)?(?:[ \t]+{_LINK}{_PART}){{1,3}}"
_LOWER = r"[a-z]{2,20}(?:[ \t]+[a-z]{2,20})?"
_MY_NAME = r"\bmy (?:full |first |last |real |user)?name(?:'s|’s| is|:)|\bi(?: am|'m|’m) called|\bcall me|\bmy friends call me"
_FAREWELL = (
    r"\b(?:best|kind|warm|with)? ?regards|\bsincerely(?: yours)?|\byours (?:truly|faithfully|sincerely)|\bcheers|\bthanks|\bthank you"
    r"|\bbest wishes|\bbest"
)
_ENGLISH = (
    re.compile(rf"(?i:{_MY_NAME})[ \t]+({_NAME})"),
    re.compile(rf"\b(?:I am|I'm|I’m|i am|i'm|Im)[ \t]+({_FULL_NAME})"),
    re.compile(rf"(?i:\bthis is)[ \t]+({_NAME})(?=[ \t]+(?:speaking|here|calling|writing|again|from)\b|,?[ \t]+and I\b)"),
    re.compile(rf"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|MR|MRS|MS|DR)\b\.?[ \t]+({_NAME})"),
    re.compile(rf"(?i:{_FAREWELL})[ \t]*[,.!]?[ \t]*\n\s{{0,4}}[-~]{{0,3}}[ \t]*({_NAME})[ \t]*(?=\n|$)"),
    re.compile(rf"(?i:\bregards|\bsincerely|\bcheers|\bthanks|\bthank you),[ \t]+({_NAME})[ \t]*$"),
)
_ENGLISH_LOWER = re.compile(rf"(?i:\bmy (?:full )?name is|\bmy name's|\bi am called)[ \t]+({_LOWER})(?=[ \t]*(?:[.,;!?\n]|and\b|$))")

_HANGUL_NAME = rf"(?:남궁|황보|제갈|선우|독고|사공|서문|[{SURNAMES}])[가-힣]{{1,2}}"
_PARTICLE = r"(?=께서|께|에게|한테|이라고|이라는|입니다|이에요|예요|이신|이랑|하고|으로|은|는|이|가|을|를|의|와|과|도|만|[^가-힣]|$)"
_COPULA = r"(?=야|이야|에요|입니다|이에요|예요|이라고|라고|이고|인데|이며|이요|[\s.,!?]|$)"
_KOREAN = (
    re.compile(rf"(?:제|내|저의|나의|본인|성함|고객)\s*(?:이름|성함|성명)(?:은|이|:)?\s*({_NAME}|[가-힣]{{2,5}}?){_COPULA}"),
    re.compile(rf"(?:이름|성함|성명)\s*(?:은|:)\s*({_HANGUL_NAME}){_COPULA}"),
    re.compile(
        rf"(?<![가-힣])(?:저는|나는|전|제가|안녕하세요,?|저|여기는)\s+({_HANGUL_NAME}|{_FULL_NAME})(?=입니다|이에요|예요|이라고|라고|이고|인데요)"
    ),
    re.compile(rf"(?<![가-힣])({_HANGUL_NAME})\s?님{_PARTICLE}"),
    re.compile(rf"(?<![가-힣])({_HANGUL_NAME})\s?씨{_PARTICLE}"),
    re.compile(rf"(?<![가-힣])([가-힣]{{2,3}})\s씨{_PARTICLE}"),
    re.compile(rf"(?<![가-힣])({_HANGUL_NAME})\s*(?:올림|드림|배상)(?=[\s.!]|$)"),
)
_GREETING = (
    r"\b(?i:hi|hello|hey|dear|thanks|thank you|sure|sorry|welcome|certainly|of course|yes|no|good (?:morning|afternoon|evening))"
    r"[,!]?[ \t]+"
)


def _length_without_dot(name: str) -> int:
    """Length of a name without the full stop of its sentence; an initial keeps its own."""
    return len(name) if re.search(r"\b[A-Z]\.$", name) else len(name.rstrip("."))


def _english(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _ENGLISH:
        for match in pattern.finditer(text):
            first = match[1].split()[0].rstrip(".")
            if first not in NOT_FIRST and first.lower() not in NOT_NAMES:
                yield match.start(1), match.start(1) + _length_without_dot(match[1])
    for match in _ENGLISH_LOWER.finditer(text):
        words = match[1].split()
        if words[0] not in NOT_NAMES:
            end = len(words[0]) if words[-1] in NOT_NAMES else len(match[1])
            yield match.start(1), match.start(1) + end


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield the half-open span of every name in a text."""
    yield from _english(text)
    if not text.isascii():
        for pattern in _KOREAN:
            for match in pattern.finditer(text):
                if match[1] not in KOREAN_NOT_NAMES:
                    yield match.span(1)


def echo_pattern(name: str) -> re.Pattern[str]:
    """Pattern of a known name elsewhere in its trace: the full name, or a part of it in a greeting or before 님 and 씨."""
    if re.fullmatch("[가-힣]{3,5}", name):
        given_name = name[2:] if len(name) > 3 else name[1:]
        return re.compile(rf"{name}|(?<![가-힣]){given_name}(?=\s?(?:님|씨))")
    full_name = rf"(?<![^\W\d_]){re.escape(name)}(?![^\W\d_])"
    parts = "|".join(re.escape(part) for part in re.findall(r"[^\W\d_][\w'’-]{2,}", name))
    return re.compile(rf"(?P<lead>{_GREETING})(?:{parts})(?![^\W\d_])|{full_name}" if parts else full_name)
