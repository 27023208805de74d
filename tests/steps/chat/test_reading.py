from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steps.chat.reading import read_object
from steps.chat.span import Unreadable
from steps.contract.errors import DataError
from steps.store.raw_objects import list_source


@pytest.fixture
def read(tmp_path):
    def go(name, data, **kwargs):
        path = tmp_path / name
        path.write_bytes(data)
        return list(read_object(list_source(path.as_uri()).objects[0], **kwargs))

    return go


def outcome(records):
    return [(record.offset, record.reason) if isinstance(record, Unreadable) else record.trace_id[:2] for record in records]


@pytest.fixture
def line(otlp_document):
    return json.dumps(otlp_document({"spanId": "01"})).encode() + b"\n"


def test_lines_documents_and_gzip_read_the_same(read, line):
    pretty = json.dumps(json.loads(line), indent=2).encode()
    listed = b"[" + line.strip() + b"]"
    for name, data in (
        ("a.jsonl", line),
        ("a.json", pretty),
        ("b.json", listed),
        ("a.jsonl.gz", gzip.compress(line)),
        ("a.json.gz", gzip.compress(pretty)),
        ("A.JSON.GZ", gzip.compress(line)),
    ):
        assert outcome(read(name, data)) == ["ab"], name


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{not json}\n", "not-json"),
        (b'{"a": "\xff\xfe"}\n', "not-utf8"),
        (b'{"resourceSpans": "\\ud800"}\n', "not-json"),
        (b"[" * 100_000 + b"\n", "not-json"),
        (b'{"resourceSpans":' + b'[{"resource":' * 5000 + b"\n", "not-json"),
        (b'"just text"\n', "unknown-record"),
        (b"42\n", "unknown-record"),
        (b'{"hello": "world"}\n', "unknown-record"),
        (b"\x00\x00\x00\n", "not-json"),
        (b"[1, 2]\n", "unknown-record"),
    ],
)
def test_bad_line_is_reported_and_its_neighbours_are_read(read, line, bad, reason):
    for name in ("a.jsonl", "a.json"):
        records = outcome(read(name, line + bad + line))
        assert records[0] == records[-1] == "ab"
        assert set(records[1:-1]) == {(2, reason)}
    first = outcome(read("b.json", bad + line))
    assert (first[0], first[-1]) == ((1, reason), "ab")


def test_deep_attribute_nesting_is_read_or_reported(read, line):
    value = {"stringValue": "x"}
    for _ in range(240):
        value = {"arrayValue": {"values": [value]}}
    document = json.loads(line)
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [{"key": "deep", "value": value}]
    assert len(read("a.jsonl", json.dumps(document).encode())) == 1


def test_torn_last_line_is_truncated(read, line):
    assert outcome(read("a.jsonl", line + line[:40])) == ["ab", (2, "truncated")]
    assert outcome(read("a.jsonl", line + line.rstrip())) == ["ab", "ab"]


def test_huge_line_is_passed_over(read, line):
    data = line + b"x" * 100_000 + b"\n" + line
    assert outcome(read("a.jsonl", data, max_line_bytes=50_000)) == ["ab", (2, "line-too-long"), "ab"]


def test_damaged_gzip_is_reported(read, line):
    packed = gzip.compress(line * 200)
    assert outcome(read("a.jsonl.gz", packed[:-20]))[-1] == (0, "truncated-gzip")
    assert outcome(read("b.jsonl.gz", b"no gzip at all")) == [(0, "unknown-format")]


def test_growing_file_is_read_up_to_the_plan(tmp_path, line):
    path = tmp_path / "live.jsonl"
    path.write_bytes(line)
    (planned,) = list_source(path.as_uri()).objects
    path.write_bytes(line + line)
    assert outcome(read_object(planned)) == ["ab"]


def test_object_that_is_gone_is_a_data_error(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_bytes(line)
    (planned,) = list_source(path.as_uri()).objects
    path.unlink()
    with pytest.raises(DataError, match="no longer there"):
        list(read_object(planned))


def test_parquet_rows_and_damage(tmp_path, read, langfuse_row):
    table = pa.Table.from_pylist([langfuse_row(id=str(i)) for i in range(3)]).drop_columns(["metadata", "usage_details", "tags"])
    table = table.append_column("metadata", pa.array([[("consent", "train")]] * 3, pa.map_(pa.string(), pa.string())))
    table = table.append_column("usage_details", pa.array([[("input", 1)]] * 3, pa.map_(pa.string(), pa.int64())))
    pq.write_table(table, tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    spans = read("a.parquet", data)
    assert {span.attributes["langfuse.observation.usage_details"]["input"] for span in spans} == {1}
    assert [span.attributes["langfuse.observation.metadata.consent"] for span in spans] == ["train"] * 3
    assert outcome(read("b.parquet", data[:-30])) == [(1, "not-parquet")]
    assert outcome(read("c.parquet", b"")) == [(0, "empty-file")]


def test_parquet_row_with_broken_text_is_reported_alone(tmp_path, read):
    texts = pa.Array.from_buffers(pa.string(), 3, pa.array([b"t1", b"\xff\xfe", b"t3"], pa.binary()).buffers())
    table = pa.table({"id": texts, "trace_id": ["a", "b", "c"], "type": ["SPAN"] * 3})
    pq.write_table(table, tmp_path / "a.parquet")
    records = read("a.parquet", (tmp_path / "a.parquet").read_bytes())
    assert outcome(records) == ["a", (2, "not-utf8"), "c"]


def test_api_page_is_read(read, langfuse_row):
    assert outcome(read("page.json", json.dumps({"data": [langfuse_row()], "meta": {}}).encode())) == ["t-"]
