from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from steps.govern.pii import scan
from steps.govern.pii.wrapped import layers

INNER = "write to bob@example.com, 010-1234-5678"


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        b64(INNER),
        b64(INNER).rstrip("="),
        base64.urlsafe_b64encode("메일 홍길동@example.com ???>>>".encode()).decode(),
        INNER.encode().hex(),
        " ".join(f"{byte:02x}" for byte in INNER.encode()),
        "".join(f"%{byte:02X}" for byte in b"bob@example.com"),
        "".join(f"\\x{byte:02x}" for byte in b"bob@example.com"),
        "".join(f"&#{byte};" for byte in b"bob@example.com"),
        quote(INNER, safe=""),
        b64(b64(INNER)),
        b64(b64(b64(b64("hello to a world that is deep inside")))),
    ],
)
def test_wrapped_data_is_found(text):
    (finding, *_) = [item for item in scan.find(f"see {text} there") if item.kind == "encoded"]
    assert (finding.start, finding.end) == (4, 4 + len(text))
    assert scan.which([text]) == [True]


@pytest.mark.parametrize(
    "text",
    [
        b64("a plain sentence without anything"),
        "chatcmpl-9aBcDeFgHiJkLmNoPqRsTuVw",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "/usr/local/lib/python3.11",
    ],
)
def test_harmless_tokens_pass(text):
    assert scan.find(text) == []


def test_random_bytes_are_no_text():
    assert list(layers(base64.b64encode(bytes(range(200))))) == []
