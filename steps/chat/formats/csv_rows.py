"""Rows of a CSV export, one by one.

A record ends where its quotes are closed. One that does not fit the header costs its first line: reading goes on
behind it, so that a lost quote does not swallow the file.

Source: RFC 4180; Langfuse server 4.16, stream of CSV rows.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import Any

from steps.chat.span import Unreadable

_MOST_RECORD_BYTES = 16 << 20


class _Lines:
    """Lines of a stream that can be given back."""

    def __init__(self, stream: io.BufferedReader[Any], limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._back: deque[bytes] = deque()

    def next(self) -> bytes:
        """The next line; b"" at the end. One over the limit comes in pieces."""
        return self._back.popleft() if self._back else self._stream.readline(self._limit)

    def give_back(self, lines: list[bytes]) -> None:
        """Put lines before what follows."""
        self._back.extendleft(reversed(lines))


def _record(lines: _Lines) -> list[bytes]:
    """The lines of one record; [] at the end of the file."""
    parts: list[bytes] = []
    quotes = size = 0
    while line := lines.next():
        parts.append(line)
        quotes += line.count(b'"')
        size += len(line)
        if quotes % 2 == 0 or size > _MOST_RECORD_BYTES:
            break
    return parts


def csv_rows(stream: io.BufferedReader[Any], uri: str, limit: int) -> Iterator[tuple[int, dict[str, Any]] | Unreadable]:
    """Yield (line number from 1, row by column name); an empty field has no key.

    Args:
        stream: unpacked text that begins with the header.
        uri: of the file.
        limit: longest line.
    """
    # The module's own limit is 128 KiB a field, and a setting of the process.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * limit + _MOST_RECORD_BYTES))
    lines = _Lines(stream, limit)
    columns: list[str] = []
    number = 1
    while parts := _record(lines):
        text = b"".join(parts)
        row = _fields(text)
        if isinstance(row, str):
            yield Unreadable(uri, number, row)
        elif not columns:
            columns = [name.strip() for name in row]
        elif len(row) == len(columns):
            yield number, {name: value for name, value in zip(columns, row, strict=True) if value != ""}
        elif row:
            yield Unreadable(uri, number, "malformed-row")
        if isinstance(row, str) or (row and len(row) != len(columns)):
            lines.give_back(parts[1:])
            parts = parts[:1]
        number += len(parts)


def _fields(text: bytes) -> list[str] | str:
    """The fields of a record, or why it has none."""
    try:
        # newline="" keeps line ends inside quotes as they are.
        rows = list(csv.reader(io.StringIO(text.decode("utf-8"), newline=""), strict=True))
    except UnicodeDecodeError:
        return "not-utf8"
    except csv.Error:
        return "malformed-row"
    return rows[0] if len(rows) == 1 else [] if not rows else "malformed-row"
