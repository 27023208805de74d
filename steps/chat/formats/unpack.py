"""Decompression by content, with an end instead of an exception where a file is damaged or grows beyond measure."""

from __future__ import annotations

import codecs
import io
import re
import zlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, BinaryIO

from steps.chat.formats.limits import MAX_FILE_BYTES, MAX_RATIO, RATIO_ALLOWANCE_BYTES

_GZIP = b"\x1f\x8b"
_ZSTD = re.compile(rb"(?:\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)")
_BLOCK = 1 << 16
_LAYERS = 3
_BUFFER = 1 << 20


@dataclass
class Damage:
    """Why a stream ended before its end; "" when it did not."""

    reason: str = ""


class _Stream(io.RawIOBase):
    """Base of the decoders: they fill `_ready` block by block, and the size of their output is watched."""

    def __init__(self, packed: BinaryIO, size: int, damage: Damage) -> None:
        self._packed, self._damage = packed, damage
        self._most = min(MAX_FILE_BYTES, max(RATIO_ALLOWANCE_BYTES, MAX_RATIO * size))
        self._total = 0
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; at damage the stream ends."""
        while not self._ready:
            if self._damage.reason:
                return 0
            block = self._next()
            if block is None:
                return 0
            self._total += len(block)
            if self._total > self._most:
                self._damage.reason = "decompression-bomb"
            self._ready = memoryview(block)
        part = self._ready[: len(buffer)]
        buffer[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)

    @abstractmethod
    def _next(self) -> bytes | None:
        """The next block, unpacked; None at the end."""


class _Gzip(_Stream):
    """Members of gzip, one behind the other; zeros between and behind them are padding."""

    def __init__(self, packed: BinaryIO, size: int, damage: Damage) -> None:
        super().__init__(packed, size, damage)
        self._decoder: Any = zlib.decompressobj(31)
        self._input = b""

    def _next(self) -> bytes | None:
        if not self._input:
            self._input = self._packed.read(_BLOCK)
        if self._decoder.eof:
            self._input = self._input.lstrip(b"\0")
            if not self._input:
                return None if not (more := self._packed.read(_BLOCK)) else self._more(more)
            self._decoder = zlib.decompressobj(31)
        if not self._input:
            self._damage.reason = "truncated-gzip"
            return None
        before = self._decoder.copy()
        try:
            block: bytes = self._decoder.decompress(self._input, _BUFFER)
        except zlib.error:
            self._damage.reason = "damaged-gzip"
            return _salvage(before, self._input)
        self._input = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
        return block

    def _more(self, block: bytes) -> bytes:
        self._input = block
        return b""


def _salvage(decoder: Any, packed: bytes) -> bytes:
    """What came out before the byte that broke the decoder; one call to it would keep nothing."""
    parts, room = [], _BUFFER
    with_error = False
    for at in range(0, len(packed), 256):
        before = decoder.copy()
        try:
            parts.append(decoder.decompress(packed[at : at + 256], room))
        except zlib.error:
            with_error = True
            decoder, rest = before, packed[at : at + 256]
            break
        room -= len(parts[-1])
        if room <= 0 or decoder.eof:
            break
    for at in range(len(rest) if with_error else 0):
        try:
            parts.append(decoder.decompress(rest[at : at + 1], 1 << 16))
        except zlib.error:
            break
    return b"".join(parts)


class _Zstd(_Stream):
    """Frames of zstd, one behind the other."""

    def __init__(self, packed: BinaryIO, size: int, damage: Damage) -> None:
        import pyarrow as pa

        super().__init__(packed, size, damage)
        self._decoder = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")

    def _next(self) -> bytes | None:
        try:
            block: bytes = self._decoder.read(_BLOCK)
        except (OSError, ValueError, MemoryError):
            self._damage.reason = "damaged-zstd"
            return None
        return block or None


class _Utf8(_Stream):
    """UTF-16 text as UTF-8; what is no text becomes the replacement character."""

    def __init__(self, packed: BinaryIO, size: int, damage: Damage) -> None:
        super().__init__(packed, size, damage)
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def _next(self) -> bytes | None:
        block = self._packed.read(_BLOCK)
        text = self._decoder.decode(block, final=not block)
        return text.encode("utf-8", "replace") if block or text else None


def unpack(stream: io.BufferedReader[Any], size: int, damage: Damage) -> io.BufferedReader[Any]:
    """The content of a stream, whatever it is packed in: gzip, zstd, one in the other, or nothing; UTF-8 without a mark.

    Args:
        stream: the file.
        size: bytes of the file, which its content is measured against.
        damage: gets the reason when the content ends before its end.
    """
    for _ in range(_LAYERS):
        head = stream.peek(4)[:4]
        if head.startswith(_GZIP):
            stream = io.BufferedReader(_Gzip(stream, size, damage), _BUFFER)
        elif _ZSTD.match(head):
            stream = io.BufferedReader(_Zstd(stream, size, damage), _BUFFER)
        elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            stream = io.BufferedReader(_Utf8(stream, size, damage), _BUFFER)
        else:
            break
    if stream.peek(3)[:3] == codecs.BOM_UTF8:
        stream.read(3)
    return stream
