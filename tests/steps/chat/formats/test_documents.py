from __future__ import annotations

import io
import json
import time

import pytest

from steps.chat.formats import documents as module
from steps.chat.formats.documents import json_documents
from steps.chat.span import Unreadable

LIMIT = 1 << 20
VALUES = [{"id": i, "text": 'a "quoted" }{][ text\\', "list": [1, [2], {}]} for i in range(5)]


def read(data, limit=LIMIT):
    found = []
    for item in json_documents(io.BufferedReader(io.BytesIO(data)), "f", limit):
        found.append(item.reason if isinstance(item, Unreadable) else item[1])
    return found


def lines(values):
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def pretty(value):
    return json.dumps(value, indent=2).encode() + b"\n"


def test_one_value_in_every_layout():
    assert read(lines(VALUES)) == VALUES
    assert read(lines(VALUES).replace(b"\n", b"\r\n")) == VALUES
    assert read(b"\n\n" + lines(VALUES)) == VALUES
    assert read(b"".join(map(pretty, VALUES))) == VALUES
    assert read(pretty(VALUES[0])) == VALUES[:1]
    assert read(pretty(VALUES)) == VALUES
    assert read(lines([VALUES])) == [VALUES]
    assert read(b"[\n" + b",\n".join(json.dumps(value).encode() for value in VALUES) + b"\n]\n") == VALUES
    assert read(b"") == read(b"\n \n") == []


def test_large_list_on_one_line_comes_entry_by_entry(monkeypatch):
    monkeypatch.setattr(module, "DENSE_LINE_BYTES", 200)
    monkeypatch.setattr(module, "_CHUNK", 7)
    monkeypatch.setattr(module, "MAX_LINE_VALUES", 100)
    assert read(json.dumps(VALUES * 9).encode()) == VALUES * 9
    assert read(lines([VALUES[0]] * 9)) == [VALUES[0]] * 9
    assert read(json.dumps([VALUES[0], "text", VALUES[1]] * 9).encode()) == [VALUES[0], "unknown-record", VALUES[1]] * 9


def test_entry_that_is_no_json_costs_itself():
    data = pretty(VALUES).replace(b'"id": 2', b'"id": two').replace(b'"id": 3', b'"id": "\xff"')
    assert read(data) == [VALUES[0], VALUES[1], "not-json", "not-utf8", VALUES[4]]


def test_truncated_list_keeps_what_stands_before():
    data = pretty(VALUES)
    assert read(data[: data.index(b'"id": 3') + 9]) == [*VALUES[:3], "truncated"]
    assert read(pretty(VALUES[0])[:30]) == ["truncated"]


@pytest.mark.parametrize("torn", [b'{"a": [{"b":', b'{"a": "text', b"{", b"[{", b'{"a": [', b"]]]", b'"', b"[" * 5000, b'{"a":' * 5000])
def test_torn_first_line_costs_that_line_alone(torn):
    found = read(torn + b"\n" + lines(VALUES))
    assert isinstance(found[0], str)
    assert found[1:] == VALUES


def test_torn_first_line_that_never_closes_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 512)
    found = read(b'{"a": [{"b":\n' + lines(VALUES * 50), limit=2000)
    assert isinstance(found[0], str)
    assert found[1:] == VALUES * 50


def test_text_after_documents_is_reported():
    assert read(lines(VALUES[:2]) + b"rubbish\n" + lines(VALUES[:1])) == [*VALUES[:2], "not-json", VALUES[0]]


def test_line_with_millions_of_values_is_not_parsed(monkeypatch):
    monkeypatch.setattr(module, "DENSE_LINE_BYTES", 1000)
    monkeypatch.setattr(module, "MAX_LINE_VALUES", 500)
    dense = b'{"a":[' + b"{}," * 1000 + b"{}]}\n"
    assert read(dense + lines(VALUES)) == ["too-many-values", *VALUES]
    assert read(lines(VALUES) + dense + lines(VALUES)) == [*VALUES, "too-many-values", *VALUES]


def test_long_strings_and_escapes_take_linear_time():
    seconds = []
    for size in (1 << 20, 4 << 20):
        data = b'[\n{"a": "' + b'\\"' * size + b'"}]'
        start = time.process_time()
        assert len(read(data, limit=1 << 26)) == 1
        seconds.append(time.process_time() - start)
    assert seconds[1] < 12 * seconds[0] + 0.2
