from __future__ import annotations

import gzip
import io
import zlib

import pyarrow as pa
import pytest

from steps.chat.formats import unpack as module
from steps.chat.formats.unpack import Damage, unpack

TEXT = b"".join(b'{"number": %d, "text": "some words"}\n' % i for i in range(20_000))


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


def content(data):
    damage = Damage()
    return unpack(io.BufferedReader(io.BytesIO(data)), len(data), damage).read(), damage.reason


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        zstd,
        lambda data: gzip.compress(data[:999]) + gzip.compress(b"") + gzip.compress(data[999:]) + b"\0" * 99,
        lambda data: zstd(data[:999]) + zstd(data[999:]),
        lambda data: gzip.compress(zstd(data)),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: gzip.compress(b"\xef\xbb\xbf" + data),
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    ],
    ids=["plain", "gzip", "zstd", "gzip-members", "zstd-frames", "zstd-in-gzip", "bom", "gzip-bom", "utf-16", "utf-16-be"],
)
def test_content_is_the_same_whatever_it_is_packed_in(pack):
    assert content(pack(TEXT)) == (TEXT, "")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.9999])
def test_gzip_cut_short_keeps_what_stands_before(share):
    packed = gzip.compress(TEXT)
    text, reason = content(packed[: int(len(packed) * share)])
    assert reason == "truncated-gzip"
    assert TEXT.startswith(text) and len(text) > len(TEXT) * (share - 0.1)


def test_damaged_gzip_keeps_what_stands_before():
    packed = bytearray(gzip.compress(TEXT))
    middle = len(packed) // 2
    packed[middle : middle + 40] = b"\xff" * 40
    text, reason = content(bytes(packed))
    whole = zlib.decompressobj(31)
    before = whole.decompress(bytes(packed[:middle]))
    assert reason == "damaged-gzip"
    assert text.startswith(before) and len(before) > len(TEXT) // 4


def test_gzip_with_a_wrong_checksum_keeps_its_text():
    text, reason = content(gzip.compress(TEXT)[:-8] + b"\0" * 8)
    assert (text, reason) == (TEXT, "damaged-gzip")


def test_rubbish_behind_and_instead_of_gzip():
    assert content(gzip.compress(b"a\n") + b"rubbish") == (b"a\n", "damaged-gzip")
    assert content(b"\x1f\x8b" + b"\x07" * 99) == (b"", "damaged-gzip")
    assert content(b"\x1f\x8b") == (b"", "truncated-gzip")


def test_damaged_zstd_keeps_what_stands_before():
    packed = zstd(bytes(TEXT) * 3)
    text, reason = content(packed[: len(packed) // 2])
    assert reason == "damaged-zstd" and (TEXT * 3).startswith(text)
    assert content(b"\x28\xb5\x2f\xfd") == (b"", "damaged-zstd")


def test_growth_beyond_measure_ends_the_stream(monkeypatch):
    monkeypatch.setattr(module, "RATIO_ALLOWANCE_BYTES", 1 << 20)
    for pack in (gzip.compress, zstd):
        text, reason = content(pack(b"x" * (80 << 20)))
        assert (reason, len(text) < 80 << 20) == ("decompression-bomb", True)
    assert content(gzip.compress(TEXT)) == (TEXT, "")
