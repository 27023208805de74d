from __future__ import annotations

import pytest

from steps.chat.formats.sniff import content_kind

BLOCK = b"\x0a\x20\x0a\x10"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"resourceSpans":[]}', "json"),
        (b'\n\n  [{"id":1}]', "json"),
        (b'rubbish\n{"a":1}', "json"),
        (b'\x00\x00\x00\n{"resourceSpans":[]}\n', "json"),
        (BLOCK, "protobuf"),
        (b"\x0a\x7b\x0a\x10" + b"\x00" * 99, "protobuf"),
        (b'\n{\n  "resourceSpans": []\n}', "json"),
        (b"\x00\x00\x00\x22" + BLOCK, "framed"),
        (b'\x00\x00\x00\x07{"a":1}', "framed"),
        (b"\x00\x00\x01\x00\x28\xb5\x2f\xfd", "framed"),
        (b"id,trace_id\no1,t1\n", "csv"),
        (b'"id","timestamp","name"\r\n', "csv"),
        (b"id,name\n1,2\n", "unknown"),
        (b"PAR1\x15\x04", "parquet"),
        (b"a line of a log\nanother\n", "unknown"),
        (b"\x89PNG\r\n\x1a\n", "unknown"),
        (b"\x0a\xff\xff", "unknown"),
        (b"", "unknown"),
        (b"\n", "unknown"),
    ],
)
def test_kind_by_content(head, kind):
    assert content_kind(head) == kind
