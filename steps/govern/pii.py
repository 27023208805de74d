"""Search for personal data and secrets in text: find, mask, and prove that nothing is left.

The search has two stages. One RE2 pass over a whole Arrow column flags the texts that can hold anything at all
(`flag_suspicious`), and only those meet the exact rules. Every rule is a pattern plus a check
(checksum, calendar, context words), so that ports, limits and plain numbers pass. The rules read
a folded text of equal length (full-width digits and look-alike dashes become ASCII), so that
positions fit the original.

The search uses no language model: it finds names only where someone introduces, signs or addresses
(`names.py`), and postal addresses not at all.

Source: Luhn ISO/IEC 7812-1; IBAN ISO 13616 (mod 97); Korean resident numbers: Resident
Registration Act enforcement rules (check digit until October 2020).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps.govern.names import echo_pattern, find_names
from steps.govern.numbers import account_context, card, foreign_phone, iban, ip_address, phone_context, resident_number

if TYPE_CHECKING:
    import pyarrow as pa

# A superset of what the rules below can match, in RE2 syntax.
SUSPICIOUS = (
    r"@|＠|://[^/\s]*:|\d[\d\-. ()/]{6,}\d|\(\d{3}\)|\+\d|[０-９]{3}|[０-９][‐‑‒–—−－]|\d[‐‑‒–—−－]\d{3}|(?:\d{1,3}\.){3}\d"
    r"|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]{2,}|::|[A-Z]{2}\d{2}[ A-Z0-9]{10}"
    r"|sk-|[spr]k_(?:live|test)|AKIA|ASIA|AIza|gh[pousr]_|github_pat_|glpat-|xox|hf_|eyJ|BEGIN"
    r"|(?i:api.?key|secret|token|passw|bearer|credential|pwd|access.?key|비밀번호|패스워드)"
    r"|(?i:my .{0,6}name|called|call me|this is |i am |i'm |i’m |\bim |\bmrs?\b|\bm[sx]\b|\bdr\b|\bprof\b)"
    r"|(?i:regards|sincerely|yours|cheers|thanks|thank you|best wishes|best[,.!]?\s*\n| dot |\[dot\]|\(dot\))"
    r"|이름|성함|성명|저는|나는|제가|님|씨|올림|드림"
)
_FOLD = {ord(full): half for full, half in zip("０１２３４５６７８９＠．／：＋（）　", "0123456789@./:+() ", strict=True)}
_FOLD |= {ord(dash): "-" for dash in "‐‑‒–—−－"} | {0x00A0: " ", 0x2007: " ", 0x202F: " "}

MAX_NAMES = 64  # a trace that introduces more people is refused: it is a list, or an attack


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in a text: the kind of data and the half-open span to replace."""

    kind: str
    start: int
    end: int


Check = Callable[[str, "re.Match[str]"], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of data: what it looks like and, when looks deceive, what must also hold. Group 1, if any, is what is masked."""

    kind: str
    pattern: re.Pattern[str]
    check: Check | None = None


_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,6}[A-Za-z]{2,24}"
_KEY_VALUE = (
    r"(?:api[_ -]?key|access[_ -]?key|(?:client[_ -]?)?secret(?:[_ -]?key)?|(?:auth[_ -]?|access[_ -]?)?token|passwords?|passwd|pwd"
    r"|credential|비밀번호|패스워드)"
    r"[\"']?\s*(?:[:=]|\bis\b|는|은)\s*[\"'`]?([^\s\"'`,;<>{}\[\]()]{6,})"
)


def _has_digit_or_sign(text: str, match: re.Match[str]) -> bool:
    """Passwords and keys are no plain words: they hold a digit or a sign, or change case within."""
    value = match[1].rstrip(".!?")
    if value.isdigit():
        return "passw" in match[0].lower()
    return len(value) >= 6 and bool(re.search(r"\d|[!@#$%^&*+=/_~]|[a-z][A-Z]", value))


RULES: tuple[Rule, ...] = (
    Rule("secret", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)", re.DOTALL)),
    Rule(
        "secret",
        re.compile(
            r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|[spr]k_(?:live|test)_[A-Za-z0-9]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,})"
        ),
    ),
    Rule(
        "secret",
        re.compile(
            r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
            r"|xox[abeprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{20,})"
        ),
    ),
    Rule("secret", re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")),
    Rule("secret", re.compile(r"(?i:bearer)\s+([A-Za-z0-9._~+/=-]{20,})")),
    Rule("secret", re.compile(_KEY_VALUE, re.IGNORECASE), _has_digit_or_sign),
    Rule("credentials", re.compile(r"://([^\s/@:\[\]]{1,200}:[^\s/@\[\]]{1,200})@")),
    Rule("email", re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@" + _DOMAIN)),
    Rule("email", re.compile(r"[^\W\d_]{1,20}@" + _DOMAIN)),
    Rule(
        "email",
        re.compile(
            r"(?<![\w.])[A-Za-z0-9._%+-]{1,64}\s?(?:\sat\s|\[at\]|\(at\))\s?[A-Za-z0-9-]+(?:\s?(?:\sdot\s|\[dot\]|\(dot\))\s?[A-Za-z0-9-]+){1,3}",
            re.IGNORECASE,
        ),
    ),
    Rule("iban", re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}(?![A-Za-z0-9])"), lambda text, match: iban(match[0])),
    Rule("card", re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d]|[.-]\d)"), lambda text, match: card(match[0])),
    Rule("resident_number", re.compile(r"(?<!\d)\d{6}[- ]?[1-8]\d{6}(?!\d)"), resident_number),
    Rule("ssn", re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")),
    Rule(
        "phone",
        re.compile(
            r"(?<![\d.+-])(?:\+?82[-. )]{0,2}\(?0?|\(?0)(?:1[016789]|2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d)\)?"
            r"[-. ]{0,2}\d{3,4}[-. ]?\d{4}(?![\d]|[.-]\d)"
        ),
    ),
    Rule("phone", re.compile(r"(?<![\d.+-])(?:\+?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\d]|[.-]\d)")),
    Rule("phone", re.compile(r"(?<![\w+])\+\d[\d ().-]{6,20}\d(?!\d)"), lambda text, match: foreign_phone(match[0])),
    Rule("account", re.compile(r"(?<![\d.-])\d{2,6}-\d{2,6}-\d{2,8}(?:-\d{1,6})?(?![\d-])"), account_context),
    Rule("account", re.compile(r"(?<![\d.-])\d{10,14}(?![\d.-])"), account_context),
    Rule("phone", re.compile(r"(?<![\d.:-])\(?\d[\d ().-]{5,16}\d(?![\d]|[.:-]\d)"), phone_context),
    Rule("ip", re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)|(?<![\d.-])(?:\d{1,3}\.){3}\d{1,3}(?=[가-힣])"), ip_address),
    Rule("ip", re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"), ip_address),
)


def fold_text(text: str) -> str:
    """Text for the rules: same length, full-width signs and dashes as ASCII."""
    return text if text.isascii() else text.translate(_FOLD)


def find_personal_data(text: str) -> Iterator[Finding]:
    """Yield the personal data and secrets of one text; spans may overlap."""
    plain = fold_text(text)
    for rule in RULES:
        for match in rule.pattern.finditer(plain):
            if rule.check is None or rule.check(plain, match):
                group = 1 if match.re.groups else 0
                yield Finding(rule.kind, *match.span(group))
    for start, end in find_names(plain):
        yield Finding("name", start, end)


def _mask(text: str, kinds: set[str]) -> str:
    """Text with its findings replaced, earlier and longer ones first; adds their kinds to `kinds`."""
    result, position = [], 0
    for finding in sorted(find_personal_data(text), key=lambda item: (item.start, -item.end)):
        if finding.start < position:
            if finding.end <= position:
                continue
            finding = Finding(finding.kind, position, finding.end)
        kinds.add(finding.kind)
        result += [text[position : finding.start], f"[{finding.kind.upper()}]"]
        position = finding.end
    return "".join((*result, text[position:])) if result else text


def find_introduced_names(text: str) -> set[str]:
    """Names that a text introduces, which its trace masks everywhere else."""
    plain = fold_text(text)
    return {text[start:end] for start, end in find_names(plain)}


def mask_texts(texts: Sequence[str]) -> tuple[list[str], tuple[str, ...], bool]:
    """Mask the texts of one trace.

    A name introduced in one text is masked in all of them: the answer that greets the user by it, too.

    Returns:
        (masked texts, kinds of the findings in alphabetical order, whether a second search finds nothing more)
    """
    kinds: set[str] = set()
    known = sorted({name for text in texts for name in find_introduced_names(text) if len(name) > 2}, key=lambda name: (-len(name), name))
    if len(known) > MAX_NAMES:
        return list(texts), ("name",), False
    echoes = [echo_pattern(name) for name in known]
    result = []
    for text in texts:
        masked = _mask(text, kinds)
        for pattern in echoes:
            masked = pattern.sub(lambda match: (match.groupdict().get("lead") or "") + "[NAME]", masked)
        result.append(masked)
    clean = not any(next(find_personal_data(text), None) for text in result)
    return result, tuple(sorted(kinds)), clean


def flag_suspicious(texts: pa.Array) -> list[bool]:
    """Flags of texts, (texts,): whether the rules can find anything in them; the others need no further look."""
    import pyarrow.compute as pc

    flags: list[bool] = pc.match_substring_regex(texts, SUSPICIOUS).to_pylist()
    return flags
