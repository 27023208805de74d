"""Wrapped text: base64, hexadecimal, percent and escape codes, decoded where plain text comes out.

Random ids do not decode to text, so they are no candidates.
"""

from __future__ import annotations

import base64
import binascii
import functools
import html
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

_MIN_CHARACTERS = 8
_TEXT_BYTES = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])
_HEX = b"0123456789abcdefABCDEF"


def _as_text(data: bytes) -> str:
    """Decoded bytes when they are plain text, else ""."""
    if len(data) < _MIN_CHARACTERS or data[:64].translate(None, _TEXT_BYTES):
        return ""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if all(sign.isprintable() or sign in "\n\r\t" for sign in text[:4096]) else ""


def _unhex(token: bytes) -> str:
    try:
        return _as_text(bytes.fromhex(token.replace(b":", b" ").decode()))
    except ValueError:
        return ""


def _unbase64(token: bytes) -> str:
    body = token.rstrip(b"=")
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return _as_text(base64.b64decode(body + b"=" * (-len(body) % 4), altchars=b"-_" if b"-" in body or b"_" in body else None))
    except binascii.Error:
        return ""


def _decode_token(token: bytes) -> str:
    if len(token) >= 20 and len(token) % 2 == 0 and token.translate(None, _HEX) == b"" and (text := _unhex(token)):
        return text
    return _unbase64(token)


def _unescape(token: bytes) -> str:
    return re.sub(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))", lambda match: chr(int(match[1] or match[2], 16)), token.decode("latin-1"))


# (what a text must hold, pattern whose group 1 is the token, decoder)
_CODES: tuple[tuple[bytes, str, Callable[[bytes], str]], ...] = (
    (b"", r"([A-Za-z0-9+/_-]{16,}={0,2})", _decode_token),
    (b"%", r"([^\s\"'<>%]{0,200}(?:%[0-9A-Fa-f]{2}[^\s\"'<>%]{0,200}){3,})", lambda token: unquote(token.decode("latin-1"))),
    (b"&#", r"((?:[^\s\"'<>&]{0,100}&#x?[0-9A-Fa-f]{2,6};){3,}[^\s\"'<>&]{0,100})", lambda token: html.unescape(token.decode("latin-1"))),
    (b"\\", r"((?:[^\s\"'<>\\]{0,100}\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})){3,}[^\s\"'<>\\]{0,100})", _unescape),
    (b"6", r"(?:^|[^0-9A-Za-z])((?:[0-9A-Fa-f]{2}[ :]){9,}[0-9A-Fa-f]{2})", _unhex),
)


@functools.cache
def _patterns() -> tuple[Any, ...]:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return tuple(re2.compile(pattern.encode(), options) for _, pattern, _ in _CODES)


def layers(signs: bytes) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, decoded text) of every wrapped text."""
    for (sign, _, decode), pattern in zip(_CODES, _patterns(), strict=True):
        if sign in signs:
            for match in pattern.finditer(signs):
                if text := decode(match[1]):
                    yield *match.span(1), text
