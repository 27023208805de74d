"""The same traces in every format, packed in every way, under any name; and files of hostile content."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import string

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steps.chat.reading import read_object
from steps.chat.span import LogEvent, Score, Span, Unreadable
from steps.store.raw_objects import list_source

from .conftest import langfuse_row, otlp_document
from .test_otlp_protobuf import packed

IDS = [f"{i:032x}" for i in range(1, 6)]
NAMES = ("a.csv", "b.log", "c.pb", "d", "e.jsonl.gz", "f.parquet", "g.json.zst", "h.binpb", "i.txt")


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


def read_bytes(folder, data, name="file"):
    (folder / name).write_bytes(data)
    listing = list_source(str(folder / name))
    return list(read_object(listing.objects[0]))


def span_documents():
    return [otlp_document({"traceId": i, "spanId": "0" * 15 + "1", "attributes": {"a": "b"}}) for i in IDS]


def rows():
    return [langfuse_row(trace_id=i) for i in IDS]


def as_csv(table_rows):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(table_rows[0]))
    writer.writeheader()
    for row in table_rows:
        writer.writerow({key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in row.items()})
    return out.getvalue().encode()


def as_parquet(table_rows):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{**row, "metadata": json.dumps(row["metadata"]), "tags": ["x"]} for row in table_rows]), out)
    return out.getvalue()


def lines(values):
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def frames(messages):
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


def one_document():
    return {"resourceSpans": [block for document in span_documents() for block in document["resourceSpans"]]}


def api_trace(trace_id):
    return {"id": trace_id, "timestamp": "2026-08-01", "observations": [{"id": "o"}]}


UNKNOWN = (b"a line of a log\n", b"\x89PNG\r\n\x1a\n" + bytes(99), b"a,b\n1,2\n", b"\0" * 9000, b"%PDF-1.7", b"PK\x03\x04", b"42")
FORMATS = {
    "otlp-lines": lambda: lines(span_documents()),
    "otlp-document": lambda: json.dumps(one_document()).encode(),
    "otlp-pretty": lambda: json.dumps(one_document(), indent=2).encode(),
    "otlp-pretty-each": lambda: b"\n".join(json.dumps(document, indent=2).encode() for document in span_documents()),
    "otlp-list": lambda: json.dumps(span_documents()).encode(),
    "protobuf": lambda: packed(one_document()),
    "framed-protobuf": lambda: frames(packed(document) for document in span_documents()),
    "framed-zstd-protobuf": lambda: frames(zstd(packed(document)) for document in span_documents()),
    "framed-zstd-json": lambda: frames(zstd(json.dumps(document).encode()) for document in span_documents()),
    "langfuse-lines": lambda: lines(rows()),
    "langfuse-list": lambda: json.dumps(rows(), indent=1).encode(),
    "langfuse-csv": lambda: as_csv(rows()),
    "langfuse-parquet": lambda: as_parquet(rows()),
    "api-page": lambda: json.dumps({"data": rows(), "meta": {"page": 1}}).encode(),
    "api-trace-list": lambda: json.dumps({"data": [api_trace(i) for i in IDS]}).encode(),
}
PACKINGS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd,
    "gzip-members": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read_by_content(tmp_path, form, packing):
    data = PACKINGS[packing](FORMATS[form]())
    name = NAMES[(len(form) + len(packing)) % len(NAMES)]
    records = read_bytes(tmp_path, data, name)
    assert list(dict.fromkeys(record.trace_id for record in records)) == IDS
    assert all(isinstance(record, Span) for record in records)


def test_line_ends_and_marks(tmp_path):
    text = lines(span_documents())
    for data in (b"\xef\xbb\xbf" + text, text.replace(b"\n", b"\r\n"), text.decode().encode("utf-16"), b"\xef\xbb\xbf" + as_csv(rows())):
        assert [record.trace_id for record in read_bytes(tmp_path, data)] == IDS


@pytest.mark.parametrize("data", UNKNOWN)
@pytest.mark.parametrize("name", ["a.csv", "b.log", "c.jsonl", "d"])
def test_file_that_nothing_can_read_is_named(tmp_path, data, name):
    (record,) = read_bytes(tmp_path, data, name)
    assert (record.reason, record.offset) == ("unknown-format", 0)
    assert record.uri.endswith(name)


def test_scores_logs_and_other_signals(tmp_path):
    score = {"id": "s", "trace_id": IDS[0], "name": "thumbs", "value": 1, "data_type": "BOOLEAN", "timestamp": "2026-08-01"}
    assert isinstance(read_bytes(tmp_path, as_csv([{**score, "string_value": ""}]))[0], Score)
    log = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "gen_ai.choice", "traceId": IDS[0], "spanId": "01" * 8}]}]}]}
    metrics, plain = {"resourceMetrics": []}, {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
    records = read_bytes(tmp_path, lines([log, metrics, plain, metrics]))
    assert isinstance(records[0], LogEvent)
    assert (records[1].reason, records[1].count, len(records)) == ("other-signal", 3, 2)


def test_key_of_another_signal_in_the_wrong_place_costs_nothing(tmp_path):
    odd = [
        langfuse_row(metadata={"resourceLogs": 1, "consent": "none"}),
        langfuse_row(input={"args": {"resourceSpans": [], "resourceMetrics": []}}),
        {**langfuse_row(), "resourceLogs": [], "resourceSpans": 7, "data": [1]},
        otlp_document({"spanId": "0" * 16, "attributes": {"resourceLogs": "x", "traceId": "y"}}),
    ]
    for name in ("a.jsonl", "b.json"):
        records = read_bytes(tmp_path, lines([*odd, *rows()]), name)
        assert [type(record) for record in records] == [Span] * 9
    assert [type(record) for record in read_bytes(tmp_path, json.dumps(odd).encode())] == [Span] * 4


def test_quarantine_of_one_file_is_bounded(tmp_path):
    good = lines(span_documents())
    for data in (gzip.compress(good + b"[" + b"{}," * 30_000 + b"{}]\n" + good), gzip.compress(good + b"x\n" * 30_000 + good)):
        records = read_bytes(tmp_path, data)
        unreadable = [record for record in records if isinstance(record, Unreadable)]
        assert len([record for record in records if isinstance(record, Span)]) == 10
        assert len(unreadable) == 1001
        assert (unreadable[-1].reason, unreadable[-1].count) == ("too-many-unreadable", 30_001 - 1000 - (b"x\n" in gzip.decompress(data)))


def test_records_of_one_file_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("steps.chat.reading.MAX_RECORDS", 3)
    records = read_bytes(tmp_path, lines(span_documents()))
    assert [getattr(record, "reason", "span") for record in records] == ["span"] * 3 + ["too-many-records"]


def test_damaged_gzip_keeps_its_good_lines(tmp_path):
    # Text that hardly packs, so that a cut in the middle leaves about half of the lines.
    chance = random.Random(5)
    documents = [
        otlp_document({"traceId": f"{i:032x}", "spanId": "01" * 8, "attributes": {"a": "".join(chance.choices(string.printable, k=500))}})
        for i in range(1, 400)
    ]
    data = gzip.compress(lines(documents))
    cut = read_bytes(tmp_path, data[: len(data) // 2])
    broken = read_bytes(tmp_path, data[: len(data) // 2] + b"\xff" * 100 + data[len(data) // 2 + 100 :])
    for records, reason in ((cut, "truncated-gzip"), (broken, "damaged-gzip")):
        assert len([record for record in records if isinstance(record, Span)]) > 150
        assert records[-1].reason == reason


def test_hostile_values_are_spans(tmp_path):
    span = otlp_document({"spanId": "01" * 8})["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    times = ({"startTimeUnixNano": "-5"}, {"startTimeUnixNano": "0"}, {"endTimeUnixNano": str(10**30)}, {"startTimeUnixNano": 4e18})
    deep = {"stringValue": "x"}
    for _ in range(150):
        deep = {"kvlistValue": {"values": [{"key": "k", "value": deep}]}}
    odd = [{**span, **time} for time in times]
    odd.append({**span, "attributes": [{"key": "consent", "value": {"stringValue": "none"}}, {"key": "deep", "value": deep}]})
    text = lines([{"resourceSpans": [{"scopeSpans": [{"spans": [item]}]}]} for item in odd])
    text += b'{"trace_id":"a","trace_id":"b","id":"x","input":NaN}\n{"trace_id":"a","trace_id":"b","id":"x"}\n'
    text += lines([{**rows()[0], "start_time": moment} for moment in ("2999-01-01", "1969-01-01")])
    records = read_bytes(tmp_path, text)
    spans = [record for record in records if isinstance(record, Span)]
    assert [record.reason for record in records if isinstance(record, Unreadable)] == ["not-json"]
    assert len(spans) == 8
    assert spans[4].attributes["consent"] == "none"


def mutate(data, chance):
    """Bytes with one to five things done to them that damage, faults and malice do."""
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data) + 1)
        length = min(len(data) - at, int(chance.expovariate(0.05)))
        choice = chance.randrange(7)
        if choice == 0:
            data = data[:at] + bytes(chance.randrange(256) for _ in range(length)) + data[at + length :]
        elif choice == 1:
            data = data[:at] + data[at + length :]
        elif choice == 2:
            data = data[:at] + data[at : at + length] * chance.randint(2, 20) + data[at + length :]
        elif choice == 3:
            data = data[:at]
        elif choice == 4:
            words = (b"null", b"NaN", b"-1", b"1e999", b"[]", b"{}", b'"', b"\n", b"\\ud800", b"\xff\xfe", b"\x00")
            words += (b"[" * 3000, b"9" * 5000)
            data = data[:at] + chance.choice(words) + data[at:]
        elif choice == 5:
            other = chance.randrange(len(data) + 1)
            data = data[:at] + data[other : other + length] + data[at:]
        elif data:
            bit = min(at, len(data) - 1)
            data = data[:bit] + bytes([data[bit] ^ (1 << chance.randrange(8))]) + data[bit + 1 :]
    return data


@pytest.mark.parametrize("form", FORMATS)
def test_mutated_file_never_raises(tmp_path, form):
    chance = random.Random(f"{form} {random.SystemRandom().random()}")
    state = chance.getstate()
    for number in range(60):
        packing = chance.choice(list(PACKINGS))
        whole = PACKINGS[packing](FORMATS[form]())
        data = mutate(whole, chance) if chance.random() < 0.5 else PACKINGS[packing](mutate(FORMATS[form](), chance))
        try:
            records = read_bytes(tmp_path, data)
        except Exception as error:
            raise AssertionError(f"{form} {packing} number {number} of state {state[1][:3]}: {data[:2000]!r}") from error
        assert all(isinstance(record, (Span, LogEvent, Score, Unreadable)) for record in records)


@pytest.mark.parametrize("make", [span_documents, rows], ids=["otlp", "langfuse"])
def test_odd_line_never_costs_its_neighbours(tmp_path, make):
    chance = random.Random()
    first, *_, last = make()
    for _ in range(150):
        odd = mutate(json.dumps(make()[2]).encode(), chance).replace(b"\n", b"")
        data = lines([first]) + odd + b"\n" + lines([last])
        ids = [record.trace_id for record in read_bytes(tmp_path, data) if isinstance(record, Span)]
        assert (ids[0], ids[-1]) == (IDS[0], IDS[-1]), odd


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted({*langfuse_row(), "traceId", "observations", "scores", "data_type", "value", "string_value", "subject", "usage", "latency"})
SPAN_FIELDS = ("traceId", "spanId", "parentSpanId", "name", "startTimeUnixNano", "attributes", "events", "status", "resource", "links")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8),
    span=st.dictionaries(st.sampled_from(SPAN_FIELDS), json_values, max_size=6),
    block=json_values,
)
def test_any_json_in_any_field_is_a_record(tmp_path, row, span, block):
    base = otlp_document({"spanId": "01" * 8})["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    odd = [
        {**langfuse_row(), **row},
        row,
        {"resourceSpans": [{"scopeSpans": [{"spans": [{**base, **span}, block]}]}]},
        {"resourceSpans": block},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [span, block]}]}]},
        {"data": block},
        block,
    ]
    for value in odd:
        data = lines(span_documents()[:1]) + json.dumps(value).encode() + b"\n" + lines(span_documents()[-1:])
        records = read_bytes(tmp_path, data)
        assert (records[0].trace_id, [r for r in records if isinstance(r, Span)][-1].trace_id) == (IDS[0], IDS[-1])


def test_file_of_rubbish_alone_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("steps.chat.reading.MAX_COUNTED_UNREADABLE", 50)
    records = read_bytes(tmp_path, lines(span_documents()) + b"x\n" * 5000 + lines(span_documents()))
    assert [type(record) for record in records].count(Span) == 5
    assert (records[-1].reason, records[-1].count) == ("too-many-unreadable", 51)
