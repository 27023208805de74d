"""Maintenance keeps every row within retention, and deletes only what nothing and nobody needs."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from steps.contract.errors import TransientError
from steps.store.lake import Lake, open_lake
from steps.store.lake_maintenance import current_files

from ...lake_rows import split_row


def files(house, table):
    with open_lake(house.ctx.config, house.folder) as lake:
        return lake.upkeep(table, lambda opened: current_files(opened))


def snapshots(house, table):
    with open_lake(house.ctx.config, house.folder) as lake:
        return [int(entry["snapshot_id"]) for entry in lake.history(table)]


@pytest.fixture
def scattered(house, make_trace, today):
    """Twelve commits of one closed day and of today, and one of a day beyond retention."""
    for number in range(12):
        house.put(f"c{number}", make_trace(number, "u", day=today - timedelta(days=9)), make_trace(100 + number, "u", day=today))
    house.put("old", make_trace(999, "u", day=today - timedelta(days=91), text="xylophone long ago"))
    return house


def test_closed_days_are_compacted_and_no_row_changes(scattered, today):
    before = [row for row in scattered.rows("traces") if row["date"] > today - timedelta(days=90)]
    assert len(files(scattered, "traces")) == 25
    result = scattered.call("maintain", today=today.isoformat())
    assert scattered.rows("traces") == before
    assert (result.compacted, result.retired_traces) == (2, 1), "the closed day of the traces and of their model calls"
    assert len(files(scattered, "traces")) == 13, "one file for the closed day, today untouched"
    again = scattered.call("maintain", today=today.isoformat())
    assert (again.compacted, again.retired_traces, again.retired_labels) == (0, 0, 0)
    assert scattered.rows("traces") == before


def test_expired_snapshots_take_their_bytes_with_them_and_tagged_ones_stay(scattered, today, secret):
    with open_lake(scattered.ctx.config, scattered.folder) as lake:
        tagged = lake.current("traces")
        lake.upkeep(
            "traces", lambda opened: opened.manage_snapshots().create_tag(opened.current_snapshot().snapshot_id, "train-r1").commit()
        )
    kept = scattered.call("maintain", today=today.isoformat())
    assert kept.expired_snapshots == 0, "all are younger than upkeep.snapshot_days"
    result = scattered.call("maintain", settings={"snapshot_days": 0}, today=today.isoformat())
    assert result.expired_snapshots > 10
    assert result.deleted_files > 10
    assert result.freed_bytes > 0
    assert len(snapshots(scattered, "traces")) == 2
    with open_lake(scattered.ctx.config, scattered.folder) as lake:
        assert lake.scan(tagged).num_rows == 25
        lake.upkeep("traces", lambda opened: opened.manage_snapshots().remove_tag("train-r1").commit())
    scattered.call("maintain", settings={"snapshot_days": 0}, today=today.isoformat())
    assert scattered.holding(secret) == []
    assert len(scattered.rows("traces")) == 24


def test_retention_takes_labels_and_datasets_along(house, today):
    filled = house.fill()
    rows = filled.dataset.with_suffix("") / "0123456789abcdef" / "train.jsonl"
    rows.parent.mkdir(parents=True)
    rows.write_text("xylophone")
    result = house.call("maintain", settings={"snapshot_days": 0}, today=(today + timedelta(days=100)).isoformat())
    assert (result.retired_traces, result.retired_labels, result.retired_datasets) == (20, 20, 1)
    assert house.rows("traces") == house.rows("labels") == house.rows("datasets") == []
    assert not filled.dataset.exists()
    assert house.holding("xylophone") == []


def test_files_of_writes_in_progress_are_spared(house, make_trace, today):
    house.fill()
    with open_lake(house.ctx.config, house.folder) as lake:
        rows = pa.Table.from_pylist([split_row(make_trace(77, "u") | {"ingest_batch": "x"})[0]])
        (staged,) = lake.write_files("traces", rows, "staged-x")
        path = staged.path.removeprefix("file://")
    result = house.call("maintain", settings={"inflight_hours": 1}, today=today.isoformat())
    assert result.pending_files >= 1
    assert Path(path).exists()
    past = time.time() - 2 * 3600
    os.utime(path, (past, past))
    house.call("maintain", settings={"inflight_hours": 1}, today=today.isoformat())
    assert not Path(path).exists()


def test_retention_holds_for_traces_of_nobody_too(house, make_trace, today):
    house.call("erase", user="gone")
    house.put("old", make_trace(1, None, day=today - timedelta(days=95)), make_trace(2, None, day=today), make_trace(3, "u", day=today))
    assert house.call("maintain", today=today.isoformat()).retired_traces == 1
    assert [row["user_hash"] for row in house.rows("traces")] == [None, "u"]


def test_rows_of_erased_users_that_came_late_go(house, make_trace, today):
    from steps.govern.identity import keyed_hash

    house.call("erase", user="gone")
    house.put("late", make_trace(1, keyed_hash(house.key, "gone")), make_trace(2, "u"))
    assert house.call("maintain", today=today.isoformat()).retired_traces == 1
    assert [row["user_hash"] for row in house.rows("traces")] == ["u"]


def test_small_tables_are_compacted_whole(house, today):
    with open_lake(house.ctx.config, house.folder) as lake:
        for number in range(10):
            lake.append_run_record("r", "stage", {"n": number})
        before = lake.run_records()
        house.call("maintain", today=today.isoformat())
        assert lake.run_records() == before
    assert len(files(house, "runs")) == 1


def test_old_shards_and_plans_go_and_new_ones_stay(house, today):
    old, new = house.ctx.artifacts / "shards" / "govern" / "old", house.ctx.artifacts / "shards" / "label" / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "m.json").write_text("{}")
    past = time.time() - 2 * 3600
    os.utime(old / "m.json", (past, past))
    house.call("maintain", settings={"inflight_hours": 1}, today=today.isoformat())
    assert (old.exists(), new.exists()) == (False, True)


def test_empty_lake(house):
    assert not any(house.call("maintain", today=date(2026, 1, 1).isoformat()).model_dump().values())


def test_curation_that_overlaps_an_erasure_takes_its_dataset_back(house, monkeypatch, secret):
    house.fill()
    with open_lake(house.ctx.config, house.folder) as lake:
        labels = lake.scan("labels", ("trace_id", "policy_version", "content_hash", "score")).to_pylist()
        scored = pa.Table.from_pylist([row | {"status": "scored"} for row in labels])
        refs = {
            "labels": str(lake.replace_batch("labels", scored, "label_batch", "l1", run_id="t")),
            "traces": str(lake.current("traces")),
        }
    real = Lake.replace_batch

    def overtaken(self, table, *args, **kwargs):
        if table == "datasets":
            monkeypatch.undo()
            house.call("erase", user="gone")
        return real(self, table, *args, **kwargs)

    monkeypatch.setattr(Lake, "replace_batch", overtaken)
    with pytest.raises(TransientError, match="were erased while"):
        house.call("curate", policy_version="p", **refs)
    assert house.holding(secret) == []
