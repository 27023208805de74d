"""Folding: hostile or foreign spellings of a text become plain ones, and every position stays known.

Rules read two forms of one text, with the same number of characters: `signs`, one ASCII byte a character, and `plain`,
in which letters of other scripts stay. Full-width forms, digits of every script and accented Latin letters become ASCII,
dashes and spaces their plain kin, invisible characters are left out.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER = 2
"""The byte of a character that has no ASCII kin; it is neither a letter nor a digit, so words end at it."""
_REMOVED = 0
_CODE_POINTS = 0x110000
_DOTS = "·•・∙‧"
_QUOTES = {"‘": "'", "’": "'", "‛": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "「": '"', "」": '"'}
_DASHES = "−➖⁃﹣－"
_LONG_VOWEL = "ー"
_ESCAPES = ((b"\\n", b" \n"), (b"\\r", b" \n"), (b"\\t", b"  "), (b'\\"', b' "'), (b"\\/", b" /"))


def _fold_character(character: str) -> tuple[str, str]:
    """(sign, plain character); ("", "") when it is left out."""
    category = unicodedata.category(character)
    if category == "Cf" or category == "Mn":
        return "", ""
    if character in _QUOTES:
        return _QUOTES[character], _QUOTES[character]
    if category == "Pd" or character in _DASHES:
        return "-", "-"
    if category == "Zs":
        return " ", " "
    if category in ("Zl", "Zp") or character == "\x85":
        return "\n", "\n"
    if character in _DOTS:
        return ".", character
    if character == _LONG_VOWEL:
        return "-", character
    if (digit := unicodedata.decimal(character, -1)) >= 0:
        return str(digit), str(digit)
    base = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    if len(base) == 1 and base.isascii() and base.isprintable():
        return base, base
    return chr(OTHER), character


@functools.cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Sign and plain code point of every code point, (0x110000,) each."""
    signs = np.full(_CODE_POINTS, OTHER, np.uint8)
    plain = np.arange(_CODE_POINTS, dtype=np.uint32)
    signs[:128] = np.arange(128)
    signs[0] = plain[0] = OTHER
    for start, end in ((0x80, 0x3400), (0xA000, 0xAC00), (0xF900, 0x10000), (0x10000, 0x1F200), (0xE0000, 0xE01F0)):
        for point in range(start, end):
            sign, character = _fold_character(chr(point))
            signs[point], plain[point] = (ord(sign), ord(character)) if sign else (_REMOVED, 0)
    return signs, plain


@dataclass(frozen=True)
class Folded:
    """A folded text. Positions of `signs` and `plain` are equal; `span` gives those of the original text.

    Attributes:
        signs: one ASCII byte a character.
        plain: the same characters, those of other scripts as they are.
        kept: original position of every character; None when none was left out.
    """

    signs: bytes
    plain: str
    kept: Any = None

    @functools.cached_property
    def words(self) -> bytes:
        """`plain` in UTF-8."""
        return self.signs if len(self.signs) == len(self.plain) and self.plain.isascii() else self.plain.encode()

    @functools.cached_property
    def _starts(self) -> Any:
        """Byte position in `words` of every character."""
        return np.flatnonzero((np.frombuffer(self.words, np.uint8) & 0xC0) != 0x80)

    def position(self, byte: int) -> int:
        """Position of the character at a byte of `words`."""
        return byte if len(self.words) == len(self.signs) else int(self._starts.searchsorted(byte))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Half-open span in the original text."""
        if self.kept is None or start >= end:
            return start, end
        return int(self.kept[start]), int(self.kept[end - 1]) + 1


def _unescape(signs: bytes) -> bytes:
    r"""Signs without the backslash escapes of JSON in JSON, in the same length: a number after `\n` begins a word."""
    if b"\\" in signs:
        for escape, sign in _ESCAPES:
            signs = signs.replace(escape, sign)
    return signs


def fold_letters(text: str) -> str:
    """The plain form of a pattern or word of ours, with its backslashes as they are."""
    return (
        text if text.isascii() else "".join(_fold_character(character)[1] if not character.isascii() else character for character in text)
    )


def _encode(text: str) -> bytes:
    """Code points of a text, 4 bytes each; half of a surrogate pair, which has no UTF-8, is any other sign."""
    try:
        return text.encode("utf-32-le")
    except UnicodeEncodeError:
        return text.translate(dict.fromkeys(range(0xD800, 0xE000), chr(OTHER))).encode("utf-32-le")


def fold(text: str) -> Folded:
    """Fold a text."""
    if text.isascii():
        signs = _unescape(text.encode("ascii").replace(b"\0", b"\2"))
        return Folded(signs, signs.decode("ascii"))
    sign_table, plain_table = _tables()
    points = np.frombuffer(_encode(text), np.uint32)
    ascii_signs = sign_table[points]
    kept = None
    if not ascii_signs.all():
        kept = np.flatnonzero(ascii_signs)
        ascii_signs, points = ascii_signs[kept], points[kept]
    plain = plain_table[points].astype("<u4").tobytes().decode("utf-32-le")
    for escape, sign in _ESCAPES if "\\" in plain else ():
        plain = plain.replace(escape.decode(), sign.decode())
    return Folded(_unescape(ascii_signs.tobytes()), plain, kept)
