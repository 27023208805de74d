"""The lake: idempotent batches, races, snapshots, evolution, filters."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import AccessError, ConfigError, DataError, TransientError
from steps.contract.refs import TableRef
from steps.store import lake_rows, schemas
from steps.store.lake import open_lake

AT = datetime(2026, 8, 1, 12, tzinfo=UTC)


def trace_rows(*names, **overrides):
    fixed = {
        "source": "otlp",
        "ts": AT,
        "date": date(2026, 8, 1),
        "model": "a-model-name-longer-than-sixteen",
        "model_version": "1",
        "consent": "train",
    }
    return pa.Table.from_pylist([{"trace_id": name, **fixed, **overrides} for name in names], schema=_schema(overrides))


def _schema(overrides):
    names = ["trace_id", "source", "ts", "date", "model", "model_version", "consent", *overrides]
    full = schemas.arrow_schema(schemas.TABLES["traces"])
    return pa.schema([full.field(name).with_nullable(True) for name in dict.fromkeys(names)])


@pytest.fixture
def lake(tmp_path):
    with open_lake(PipelineConfig(), tmp_path) as opened:
        yield opened


def ids(lake, ref="traces", where=None):
    return lake.scan(ref, ("trace_id",), where).column("trace_id").to_pylist()


def put(lake, rows, batch, **kwargs):
    return lake.replace_batch("traces", rows, "ingest_batch", batch, run_id="r1", **kwargs)


def test_table_that_was_never_written_is_empty_at_snapshot_0(lake):
    assert lake.current("ctp.traces") == lake.current("traces") == TableRef(table="ctp.traces", snapshot_id=0)
    assert lake.scan("ctp.traces@0").num_rows == 0
    assert lake.scan("labels").column_names == [column.name for column in schemas.TABLES["labels"].columns]


def test_batch_replaces_itself_and_nothing_else(lake):
    put(lake, trace_rows("a", "b"), "batch-with-a-name-longer-than-sixteen-characters-1")
    put(lake, trace_rows("c"), "batch-with-a-name-longer-than-sixteen-characters-2")
    put(lake, trace_rows("a", "d"), "batch-with-a-name-longer-than-sixteen-characters-1")
    assert ids(lake) == ["a", "c", "d"]
    operations = [entry["operation"] for entry in lake.history("traces")]
    assert operations == ["append", "append", "delete", "append"], "a replaced batch is dropped by file, never rewritten"


def test_empty_batch_removes_what_the_batch_held(lake):
    put(lake, trace_rows("a"), "one")
    put(lake, trace_rows(), "one")
    assert ids(lake) == []


def test_old_snapshot_stays_readable(lake):
    first = put(lake, trace_rows("a"), "one")
    put(lake, trace_rows("b"), "two")
    assert ids(lake, first) == ids(lake, str(first)) == ["a"]


def test_rows_are_sorted_whatever_order_they_came_in(lake):
    put(lake, trace_rows("c", "a"), "one")
    put(lake, trace_rows("b"), "two")
    assert ids(lake) == ["a", "b", "c"]


def test_summary_names_run_batch_and_watermarks(lake):
    put(lake, trace_rows("a"), "one", watermarks={"unit": "u1"})
    entry = lake.history("traces")[-1]
    assert (entry["ctp.run-id"], entry["ctp.batch-id"], entry["ctp.watermark.unit"]) == ("r1", "one", "u1")


def test_unique_by_leaves_out_rows_of_other_batches_only(lake):
    put(lake, trace_rows("a", "b"), "one", unique_by="trace_id")
    put(lake, trace_rows("b", "c"), "two", unique_by="trace_id")
    put(lake, trace_rows("b", "c"), "two", unique_by="trace_id")
    assert ids(lake, where={"ingest_batch": "two"}) == ["c"]
    assert ids(lake) == ["a", "b", "c"]


def test_looking_up_values_reads_some_files_at_a_time(lake, monkeypatch):
    assert lake.among("traces", ("trace_id", "date"), ["a"]).num_rows == 0, "never written"
    for number, batch in enumerate(("one", "two", "three")):
        put(lake, trace_rows(f"a{number}", f"b{number}", date=date(2026, 8, number + 1)), batch)
    seen = []
    real = lake_rows.islice
    monkeypatch.setattr(lake_rows, "FILES_AT_ONCE", 2)
    monkeypatch.setattr(lake_rows, "islice", lambda files, count: seen.append(list(real(files, count))) or seen[-1])
    found = lake.among("traces", ("trace_id", "date"), ["b0", "a2", "a2", "c' OR 'x' == 'x"])
    assert sorted(found.column("trace_id").to_pylist()) == ["a2", "b0"] and [len(files) for files in seen] == [2, 1, 0]
    seen.clear()
    near = lake.among("traces", ("trace_id",), ["b0", "a2"], {"date": {"2026-08-02", "2026-08-03"}})
    assert near.column("trace_id").to_pylist() == ["a2"] and [len(files) for files in seen] == [2, 0], "other days are not opened"
    assert lake.among("traces", ("trace_id",), []).num_rows == 0


@pytest.mark.parametrize("value", ["x' OR 'a' == 'a", '"; drop', "it's", "a\\", "ctp.traces@1"])
def test_values_from_outside_stay_literals(lake, value):
    put(lake, trace_rows("a", session_id=value), "one")
    put(lake, trace_rows("b", session_id="other"), "two")
    assert ids(lake, where={"session_id": value}) == ["a"]
    assert ids(lake, where={"session_id": [value, "other"], "consent": "train"}) == ["a", "b"]


def test_where_takes_none_empty_lists_text_and_expressions(lake):
    from pyiceberg.expressions import EqualTo

    put(lake, trace_rows("a"), "one")
    assert ids(lake, where={"feedback": None}) == ["a"]
    assert ids(lake, where={"trace_id": []}) == []
    assert ids(lake, where="trace_id == 'a'") == ids(lake, where=EqualTo("trace_id", "a")) == ["a"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pa.table({"trace_id": ["a"], "nope": [1]}), "no column 'nope'"),
        (pa.table({"trace_id": ["a"]}), "column source: 1 rows have no value"),
        (trace_rows("a").set_column(2, "ts", pa.array(["noon"])), "column ts: not timestamp"),
    ],
)
def test_rows_that_do_not_fit_are_named(lake, rows, message):
    with pytest.raises(DataError, match=message):
        put(lake, rows, "one")


def test_unknown_table_column_snapshot_and_filter_are_data_errors(lake):
    ref = put(lake, trace_rows("a"), "one")
    for call in (
        lambda: lake.current("ctp.nope"),
        lambda: lake.current("other.traces"),
        lambda: lake.scan(ref, ("nope",)),
        lambda: lake.scan("ctp.traces@5"),
        lambda: lake.scan("ctp.labels@5"),
        lambda: lake.scan(ref, where="nope == 1"),
    ):
        with pytest.raises(DataError):
            call()


def test_older_table_gains_new_columns_and_its_old_snapshots_read_null(lake, tmp_path, monkeypatch):
    first = put(lake, trace_rows("a"), "one")
    table = schemas.TABLES["traces"]
    newer = replace(table, columns=(*table.columns, schemas.Column("verdict")), version=2)
    monkeypatch.setitem(schemas.TABLES, "traces", newer)
    with open_lake(PipelineConfig(), tmp_path) as later:
        assert later.scan(first, ("trace_id", "verdict")).to_pylist() == [{"trace_id": "a", "verdict": None}]
        later.replace_batch("traces", trace_rows("b").append_column("verdict", pa.array(["good"])), "ingest_batch", "two", run_id="r2")
        assert later.scan("traces", ("trace_id", "verdict")).to_pylist()[1] == {"trace_id": "b", "verdict": "good"}
        assert later.scan(first, ("verdict",)).to_pylist() == [{"verdict": None}]


def test_run_records_keep_their_order_and_a_key_replaces(lake):
    lake.append_run_record("r1", "ingest", {"n": 1})
    lake.append_run_record("r1", "ingest", {"n": 2})
    lake.append_run_record("r2", "label", {"n": 3}, key="k")
    lake.append_run_record("r2", "label", {"n": 4}, key="k")
    assert [record.payload["n"] for record in lake.run_records("ingest")] == [1, 2]
    assert [record.payload["n"] for record in lake.run_records(run_id="r2")] == [4]
    assert lake.run_records("nothing") == []


def test_delete_rows(lake):
    put(lake, trace_rows("a", "b", user_hash="u"), "one")
    lake.delete_rows("traces", {"trace_id": "a"}, run_id="r2")
    assert ids(lake) == ["b"]


WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from steps.contract.config import PipelineConfig
from steps.store.lake import open_lake
me, folder = sys.argv[1], Path(sys.argv[2])
with open_lake(PipelineConfig(), folder) as lake:
    for turn in range(4):
        rows = pa.table({"trace_id": [f"{me}-{turn}", f"shared-{turn}"], "gate": ["pii"] * 2, "rule": ["r"] * 2, "action": ["masked"] * 2})
        lake.replace_batch("gate_ledger", rows, "ingest_batch", f"batch-of-{me}-{turn}", run_id=me, unique_by="trace_id")
"""


def test_racing_writers_lose_and_repeat_nothing(tmp_path):
    with open_lake(PipelineConfig(), tmp_path):
        pass
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, str(tmp_path)], stderr=subprocess.PIPE) for name in ("x", "y", "z")]
    failures = [errors for writer in writers if (errors := writer.communicate(timeout=90)[1]) and writer.returncode]
    assert not failures, failures[0].decode()[-500:]
    with open_lake(PipelineConfig(), tmp_path) as lake:
        expected = sorted([f"{name}-{turn}" for name in "xyz" for turn in range(4)] + [f"shared-{turn}" for turn in range(4)])
        assert ids(lake, "gate_ledger") == expected


def test_glue_needs_an_s3_warehouse(tmp_path):
    with pytest.raises(ConfigError, match="s3://"):
        open_lake(PipelineConfig.model_validate({"lake": {"catalog": "glue"}}), tmp_path)


def test_catalog_that_cannot_be_opened_is_named(tmp_path):
    config = PipelineConfig.model_validate({"lake": {"uri": f"sqlite:///{tmp_path}/absent/catalog.db"}})
    with pytest.raises(AccessError, match=r"lake\.uri"):
        open_lake(config, tmp_path)


def test_full_disk_is_transient():
    from sqlalchemy.exc import OperationalError

    from steps.store.lake_catalog import storage_errors

    full = sqlite3.OperationalError("whatever it says")
    full.sqlite_errorname = "SQLITE_FULL"
    with pytest.raises(TransientError, match="no space left"), storage_errors("lake"):
        raise OperationalError("insert", {}, full)


def test_declared_keys_batches_and_partitions_are_columns():
    for table in schemas.TABLES.values():
        names = {column.name for column in table.columns}
        assert {*table.key, *table.partition, table.batch} - {""} <= names, table.name
        assert all(column.required for column in table.columns if column.name in table.partition)
