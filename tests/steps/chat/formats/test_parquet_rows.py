from __future__ import annotations

import io
import resource

import pyarrow as pa
import pyarrow.parquet as pq

from steps.chat.formats import parquet_rows as module
from steps.chat.formats.parquet_rows import parquet_rows
from steps.chat.span import Unreadable


def data_of(table, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def read(data):
    found = []
    for item in parquet_rows(io.BufferedReader(io.BytesIO(data)), "f", len(data)):
        found.append((item.offset, item.reason) if isinstance(item, Unreadable) else item[1])
    return found


def test_columns_of_every_type():
    table = pa.table(
        {
            "id": [f"o{i}" for i in range(1200)],
            "trace_id": pa.array(["t"] * 1200).dictionary_encode(),
            "start_time": pa.array([1_780_000_000_123_456_789] * 1200, pa.timestamp("ns", "UTC")),
            "input": pa.array([None, "x"] * 600, pa.large_string()),
            "metadata": pa.array([[("consent", "train")]] * 1200, pa.map_(pa.string(), pa.string())),
            "usage_details": pa.array([[("input", 3)]] * 1200, pa.map_(pa.string(), pa.uint64())),
            "tags": pa.array([["a", None]] * 1200, pa.list_(pa.string())),
            "model_parameters": pa.array([{"temperature": 1.0, "stop": "x"}] * 1200),
            "unknown_column": ["y" * 1000] * 1200,
        }
    )
    rows = read(data_of(table, row_group_size=700))
    assert len(rows) == 1200
    assert rows[1199] == {
        "id": "o1199",
        "trace_id": "t",
        "start_time": 1_780_000_000_123_456,
        "input": "x",
        "metadata": [("consent", "train")],
        "usage_details": [("input", 3)],
        "tags": ["a", None],
        "model_parameters": {"temperature": 1.0, "stop": "x"},
    }


def test_table_of_something_else_is_named():
    assert read(data_of(pa.table({"a": [1], "b": ["x"]}))) == [(0, "unknown-format")]


def test_thousand_bytes_that_stand_for_gigabytes():
    big = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * (4 << 20)]))
    for column in ({"input": big}, {"metadata": pa.MapArray.from_arrays(list(range(2001)), pa.array(["k"] * 2000), big)}):
        data = data_of(pa.table({"id": ["o"] * 2000, "trace_id": ["t"] * 2000, **column}), compression="zstd")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = read(data)
        assert len(data) < 10_000
        assert found[-1][1] == "decompression-bomb"
        assert len(found) < 30
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 600 << 10


def test_delta_coded_texts_are_measured_too():
    table = pa.table({"id": ["o"] * 2000, "trace_id": ["t"] * 2000, "input": ["x" * (1 << 18)] * 2000})
    data = data_of(table, use_dictionary=False, column_encoding={"input": "DELTA_BYTE_ARRAY"}, compression="zstd")
    assert read(data)[-1][1] == "decompression-bomb"


def test_row_count_and_row_groups_are_looked_at_first(monkeypatch):
    data = data_of(pa.table({"id": ["o"] * 20, "trace_id": ["t"] * 20}))
    monkeypatch.setattr(module, "MAX_RECORDS", 19)
    assert read(data) == [(0, "too-many-records")]
    monkeypatch.setattr(module, "MAX_RECORDS", 20)
    monkeypatch.setattr(module, "MAX_ROW_GROUP_BYTES", 10)
    assert read(data) == [(0, "decompression-bomb")]


def test_damage_keeps_the_row_groups_before():
    table = pa.table({"id": [f"o{i}" for i in range(2000)], "trace_id": [f"t{i}" for i in range(2000)]})
    data = bytearray(data_of(table, row_group_size=1000, compression="zstd", use_dictionary=False))
    group = pq.read_metadata(io.BytesIO(bytes(data))).row_group(1).column(0)
    at = group.data_page_offset
    data[at : at + 60] = b"\xff" * 60
    found = read(bytes(data))
    assert len([row for row in found if isinstance(row, dict)]) >= 1000 - 512
    assert found[-1][1] == "not-parquet"
