"""JSON documents of a stream: one a line, one over many lines, several such, or the entries of one large list.

A document that cannot be read becomes an `Unreadable` with its number; the reader goes on behind it. It reads a list entry by
entry, so that an export of any length fits in memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from steps.chat.formats.limits import DENSE_LINE_BYTES, MAX_JSON_DEPTH, MAX_LINE_VALUES
from steps.chat.span import Unreadable

# A whole string, a bracket, or the quote of a string whose end is not here yet. Possessive, so it never goes back.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]"]', re.DOTALL)
_NEXT_DOCUMENT = re.compile(rb"\n[{\[]")
_CHUNK = 1 << 20
Document = tuple[int, Any]


def _reason(text: bytes, is_complete: bool = True) -> str:
    """Why text that is no JSON document is refused."""
    if not is_complete:
        return "truncated"
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return "not-utf8"
    return "not-json"


def _is_dense(text: bytes) -> bool:
    """Whether a long text holds so many values that parsing it would not fit in memory."""
    if len(text) < DENSE_LINE_BYTES:
        return False
    return text.count(b",") + text.count(b"{") + text.count(b"[") > MAX_LINE_VALUES


def _is_open(line: bytes) -> bool:
    """Whether a line leaves brackets open that later lines may close."""
    depth = 0
    for match in _TOKEN.finditer(line):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        elif token == b'"':
            return False
        if not 0 <= depth <= MAX_JSON_DEPTH:
            return False
    return depth > 0


def _load(number: int, text: bytes, uri: str) -> Document | Unreadable:
    if _is_dense(text):
        return Unreadable(uri, number, "too-many-values")
    try:
        return number, orjson.loads(text)
    except orjson.JSONDecodeError:
        return Unreadable(uri, number, _reason(text))


def json_documents(stream: io.BufferedReader[Any], uri: str, limit: int) -> Iterator[Document | Unreadable]:
    """Yield the documents of a stream as (number from 1, value).

    Args:
        stream: unpacked text.
        uri: of the file.
        limit: a longer line or document is passed over.
    """
    number = 0
    while line := stream.readline(min(limit, DENSE_LINE_BYTES)):
        number += 1
        text = line.strip()
        if not text:
            continue
        is_long = not line.endswith(b"\n") and len(line) >= min(limit, DENSE_LINE_BYTES)
        if is_long and text[:1] == b"[":
            yield from _spread(stream, line, number, uri, limit)
            return
        if not is_long:
            try:
                yield number, orjson.loads(line)
                number, line = number + 1, stream.readline(limit)
            except orjson.JSONDecodeError:
                if line.endswith(b"\n") and _is_open(line):
                    yield from _spread(stream, line, number, uri, limit)
                    return
        yield from _lines(stream, line, number, uri, limit)
        return


def _lines(stream: io.BufferedReader[Any], first: bytes, number: int, uri: str, limit: int) -> Iterator[Document | Unreadable]:
    """Yield one document a line; `first` may be the beginning of a line."""
    line = first
    if line and not line.endswith(b"\n") and len(line) < limit:
        line += stream.readline(limit - len(line))
    while line:
        is_complete = line.endswith(b"\n")
        if not is_complete and len(line) >= limit:
            while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
                pass
            yield Unreadable(uri, number, "line-too-long")
        elif len(line) >= DENSE_LINE_BYTES and _is_dense(line):
            yield Unreadable(uri, number, "too-many-values")
        elif line.strip():
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError:
                yield Unreadable(uri, number, _reason(line, is_complete))
        line = stream.readline(limit)
        number += 1


@dataclass
class _Position:
    """Where the reader of spread documents stands: `start` is that of the open document in the buffer."""

    depth: int = 0
    in_list: bool = False
    start: int | None = None


def _spread(stream: io.BufferedReader[Any], head: bytes, number: int, uri: str, limit: int) -> Iterator[Document | Unreadable]:
    """Yield documents that brackets bound: those of a list, or one behind the other over any number of lines."""
    position, buffer, scanned = _Position(), head, 0
    first_number = number
    number -= 1
    while True:
        end = len(buffer)
        for match in _TOKEN.finditer(buffer, scanned):
            token = match[0]
            if token == b'"':
                end = match.start()
                break
            outer = 1 if position.in_list else 0
            if len(token) > 1:
                if position.start is None and position.depth == outer:
                    number += 1
                    yield Unreadable(uri, number, "unknown-record")
            elif token in b"{[":
                if position.depth == 0 and token == b"[":
                    position.in_list = True
                elif position.depth == outer:
                    position.start = match.start()
                position.depth += 1
            else:
                position.depth -= 1
                if position.depth == outer and position.start is not None:
                    number += 1
                    yield _load(number, buffer[position.start : match.end()], uri)
                    position.start = None
                elif position.depth <= 0:
                    position = _Position()
            if position.depth > MAX_JSON_DEPTH:
                yield from _give_up(stream, buffer[position.start or 0 :], number + 1, uri, limit, "not-json")
                return
        cut = end if position.start is None else position.start
        buffer, scanned = buffer[cut:], end - cut
        position.start = None if position.start is None else 0
        if len(buffer) > limit:
            yield from _give_up(stream, buffer, number + 1, uri, limit, "line-too-long")
            return
        more = stream.read(max(_CHUNK, len(buffer)))
        if not more:
            break
        buffer += more
    if position.depth and number < first_number and _NEXT_DOCUMENT.search(buffer):
        yield from _give_up(stream, buffer, number + 1, uri, limit, "not-json")
    elif position.depth or buffer.strip():
        yield Unreadable(uri, number + 1, "truncated")


def _give_up(
    stream: io.BufferedReader[Any], text: bytes, number: int, uri: str, limit: int, reason: str
) -> Iterator[Document | Unreadable]:
    """Report an open document and read what follows its first line as lines."""
    yield Unreadable(uri, number, reason)
    _, mark, rest = text.partition(b"\n")
    if not mark:
        while (line := stream.readline(limit)) and not line.endswith(b"\n"):
            pass
    lines = io.BufferedReader(_Chain(rest, stream), _CHUNK)
    yield from _lines(lines, lines.readline(limit), number + 1, uri, limit)


class _Chain(io.RawIOBase):
    """Bytes that were read ahead, then the stream behind them."""

    def __init__(self, ahead: bytes, stream: io.BufferedReader[Any]) -> None:
        self._ahead, self._stream = io.BytesIO(ahead), stream

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer."""
        return self._ahead.readinto(buffer) or self._stream.readinto(buffer)
