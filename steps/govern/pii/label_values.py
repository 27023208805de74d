"""Values beside a label: what "SSN", "account no" or "born on" is followed by, whatever its country's format."""

from __future__ import annotations

import re

from steps.govern.pii.checks import DATE, Hit, Span, digits_of

_MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|januar|februar|maerz|marz|mai|juni|juli|august|okt|dez|janv|fevr|avril|juin|juil|aout|decem"
    "|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|gen|mag|giu|lug|ago|set|ott|dic|fev|maio|out"
)
_MONTH = rf"(?:{_MONTHS})[a-z]{{0,8}}\.?"
_BIRTH = re.compile(
    rf"(?i)(?:(?:{_MONTH} )?\d{{1,2}}(?:st|nd|rd|th|er)?\.?,? (?:of |de |d'|di )?(?:{_MONTH}),? (?:de |del )?\d{{2,4}}"
    rf"|\d{{4}} ?[-./\x02] ?\d{{1,2}} ?[-./\x02] ?\d{{1,2}}\x02?|\d{{4}}\x02 ?\d{{1,2}}\x02 ?\d{{1,2}}\x02?"
    rf"|\d{{1,2}}\x02\d{{1,2}}\x02\d{{1,2}}\x02"
    rf"|\d{{1,2}} ?[-./] ?\d{{1,2}} ?[-./] ?\d{{2,4}}|\d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d\d"
    rf"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    rf"|\d{{1,2}} {_MONTH} ?(?:\d{{2,4}})?"
    rf"|\d{{4}}-?{_MONTH}-?\d{{1,2}}|\d{{1,2}}-{_MONTH}-\d{{2,4}}|(?:19|20)\d\d)(?![0-9])"
)
_MONTH_FIRST = re.compile(rf"(?i)(?:{_MONTH}) ?(?:the )?$")
_YEAR, _YEAR_GAP = 4, 6
_OF_OTHERS = re.compile(r"(?i)(?<!i was )(?<!i am )\bborn on$")  # as encyclopaedias tell it
_TOKEN = re.compile(r"[0-9]+[A-Za-z0-9]*(?:[-./_ ]{1,2}[0-9A-Za-z]+)*")
_HEAD = re.compile(r"(?:(?<![A-Za-z])(?:[A-Z]{1,3}[-. /]{1,2}|[A-Za-z]{1,18}))$")
_MAX_RUN = 20  # letters and digits in one piece: more are a hash or an encoded text
_CODE = re.compile(r"[0-9]+(?:[- ][0-9]+)?(?![0-9A-Za-z%]|[.,:/][0-9])")
_UNIT = re.compile(
    r" ?(?:digits?|characters?|minutes?|min|hours?|days?|seconds?|years?|times?|percent|%|people|users?|points?|stellen|zeichen|chiffres"
    r"|caracteres|digitos|cifre|working|business|tage|stunden|jours|dias|months?|weeks?|banks?|accounts?|cards?|countries|million|billion|thousand)\b"
)


def _groups(value: str, most: int) -> str:
    """The first groups of a value, as far as they belong together: digits, or one or two capitals."""
    pieces = re.split(r"([-./_ ]{1,2})", value)
    result, total, dashed = pieces[0], len(digits_of(pieces[0])), False
    for blank, piece in zip(pieces[1::2], pieces[2::2], strict=False):
        is_short = len(piece) <= 2 and piece.isupper()
        count = len(digits_of(piece))
        if (not count and not is_short) or total + count > most or (blank.isspace() and dashed):
            break
        if blank.isspace() and (len(blank) > 1 or (count == len(piece) and count > 6) or re.match("[A-Za-z]+[0-9]{3}", piece)):
            break
        dashed = dashed or not blank.isspace()
        result += blank + piece
        total += count
    return result


def _head(hit: Hit) -> int:
    """Start of the letters that belong to a token whose first digit is known."""
    gap = hit.text.signs[max(hit.lead, hit.start - 20) : hit.start].decode("ascii")
    match = _HEAD.search(gap)
    if match is None or (match[0].islower() and len(match[0]) > 2):
        return hit.start
    return hit.start - len(match[0])


def token(hit: Hit) -> Span | None:
    """An id: digits, with letters among or before them, in groups."""
    match = _TOKEN.match(hit.after())
    if hit.start == hit.lead and re.search(r"(?:^|[^A-Za-z])[A-Za-z]{1,3}$", hit.before(5)):
        return None
    if (
        match is None
        or DATE.match(match[0])
        or re.match(r"[0-9]{1,3}(?:[.,][0-9]{3})+(?:[.,][0-9]{1,2})?(?![0-9-])", hit.after())
        and "," in hit.after()[:6]
    ):
        return None
    value = _groups(match[0], hit.digits[1])
    if max(map(len, re.split(r"[-./_ ]", value))) > _MAX_RUN:
        return None
    count = len(digits_of(value))
    if not hit.digits[0] <= count <= hit.digits[1] or _UNIT.match(
        hit.text.signs[hit.start + len(value) : hit.start + len(value) + 16].decode("ascii")
    ):
        return None
    if count > 4 and len(set(digits_of(value))) < 2 and hit.digits[0] > 4:
        return None
    return _head(hit), hit.start + len(value)


def number(hit: Hit) -> Span | None:
    """A token of digits alone."""
    span = token(hit)
    if span is None or re.search("[A-Za-z]", hit.text.signs[span[0] : span[1]].decode("ascii")):
        return None
    return span


def number_before(hit: Hit) -> Span | None:
    """A number in front of its label."""
    span = token_before(hit)
    return None if span is None or re.search("[A-Za-z]", hit.text.signs[span[0] : span[1]].decode("ascii")) else span


def token_before(hit: Hit) -> Span | None:
    """An id in front of its label."""
    line = hit.text.signs[max(0, hit.end - 30) : hit.end].decode("ascii").rpartition("\n")[2]
    match = re.search(r"(?<![0-9A-Za-z])(?:[A-Z]{1,3} ?)?[0-9A-Z]*[0-9](?:[-./ ]?[0-9A-Za-z]+)*$", line)
    if match is None or DATE.search(match[0]):
        return None
    value = re.split(r"[a-z]{2,} ", match[0])[-1]
    return (hit.end - len(value), hit.end) if hit.digits[0] <= len(digits_of(value)) <= hit.digits[1] else None


def phone_before(hit: Hit) -> Span | None:
    """A telephone number in front of its label."""
    line = hit.text.signs[max(0, hit.end - 24) : hit.end].decode("ascii").rpartition("\n")[2]
    match = re.search(r"(?<![0-9A-Za-z])\+?\(?[0-9](?:[-. ()/]{0,2}[0-9]){6,14}$", line)
    return (hit.end - len(match[0]), hit.end) if match is not None and not DATE.search(match[0]) else None


def code(hit: Hit) -> Span | None:
    """A PIN or one-time code: four to ten digits; neither a year nor a number of something."""
    match = _CODE.match(hit.after())
    if match is None:
        return None
    count = len(digits_of(match[0]))
    gap = hit.text.plain[hit.lead : hit.start]
    if (
        not hit.digits[0] <= count <= hit.digits[1]
        or _UNIT.match(hit.after()[len(match[0]) :])
        or re.search(r"\.\s|[a-z]{3,} [a-z]{3,} [a-z]{3,}", gap)
    ):
        return None
    return hit.start, hit.start + len(match[0])


def birth(hit: Hit) -> Span | None:
    """A date in figures or with its month in letters; a year alone after "born in"."""
    match = _BIRTH.match(hit.after())
    if match is None:
        return None
    gap = hit.text.signs[max(hit.lead, hit.start - 24) : hit.start].decode("ascii")
    month = _MONTH_FIRST.search(gap)
    if month is None and re.fullmatch(r"\d{1,2},? (?:19|20)\d\d", match[0]):
        return None
    if month is None and len(match[0]) == _YEAR and len(gap) > _YEAR_GAP:
        return None
    has_month_name = month is not None or re.search("[A-Za-z]{3}", match[0])
    if has_month_name and _OF_OTHERS.search(hit.text.plain[max(0, hit.lead - 24) : hit.lead]):
        return None
    return hit.start - len(month[0]) if month else hit.start, hit.start + len(match[0])


def birth_before(hit: Hit) -> Span | None:
    """A date in front of its label."""
    line = hit.text.signs[max(0, hit.end - 12) : hit.end].decode("ascii").rpartition("\n")[2]
    match = re.search(
        r"(?<![0-9])(?:[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{2,4}|[0-9]{6}|[0-9]{8})$", line
    )
    return (hit.end - len(match[0]), hit.end) if match is not None else None
