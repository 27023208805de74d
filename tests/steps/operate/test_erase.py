"""An erased user is gone from every byte of the lake, stays out, and nobody else loses a row."""

from __future__ import annotations

import json

import pytest

from steps.contract.errors import UsageError
from steps.govern.identity import keyed_hash
from steps.ingest import ingest
from steps.store.lake import Lake, open_lake

from ...fan_out import govern_plan
from ...lake_rows import split_row


def test_no_byte_is_left_and_others_stay(house, secret):
    filled = house.fill()
    before = {row["trace_id"]: row for row in house.rows("traces") if row["user_hash"] == filled.stays}
    report = house.folder / "runs" / "r1" / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"digest": filled.digest, "example": secret}))
    report.with_suffix(".html").write_text(secret)
    assert house.holding(secret)
    result = house.call("erase", user="gone", requested_by="privacy desk")
    assert (result.traces, result.labels, result.complete, result.pending_files) == (10, 10, True, 0)
    assert result.datasets == (filled.digest,)
    assert result.dataset_rows >= 2
    assert result.expired_snapshots > 0
    assert house.holding(secret) == []
    assert {path.relative_to(house.folder).parts[:4] for path in house.holding(filled.gone)} == {("lake", "warehouse", "ctp", "erasures")}
    assert {row["trace_id"]: row for row in house.rows("traces")} == before
    assert {row["trace_id"] for row in house.rows("labels")} == set(before)
    kept = house.rows("datasets")
    assert {row["chosen_trace_id"] for row in kept} - {None} <= set(before)
    assert [row["kind"] for row in kept] == ["pair"] * (len(kept) // 2) + ["prompt"] * (len(kept) // 2)
    assert kept
    (entry,) = house.rows("erasures")
    assert entry["user_hash"] == filled.gone
    said = json.loads(entry["payload_json"])
    assert (said["complete"], said["datasets"], said["requested_by"], said["rows"] >= 20) == (True, [filled.digest], "privacy desk", True)


def test_rows_that_were_prepared_for_many_nodes_go_with_their_dataset(house, secret):
    filled = house.fill()
    rows = filled.dataset.with_suffix("") / "0123456789abcdef" / "train.jsonl"
    rows.parent.mkdir(parents=True)
    rows.write_text(secret)
    house.call("erase", user="gone")
    assert not filled.dataset.with_suffix("").exists() and house.holding(secret) == []


def test_models_trained_on_the_user_are_named(house):
    from steps.store.registry import open_registry

    filled = house.fill()
    client, name = open_registry(house.ctx.config, house.folder), house.ctx.config.model_name
    client.ensure_model(name)
    version = client.create_version(name, "file:///m", {"ctp.dataset-sha256": filled.digest}, "card")
    client.create_version(name, "file:///n", {"ctp.dataset-sha256": "0" * 64}, "card")
    result = house.call("erase", user="gone")
    assert result.models == (f"{name}@{version}",)
    assert "retrained" in result.next_step
    assert house.call("erase", user="gone").models == result.models


def test_erasing_again_and_by_hash_finds_nothing_and_keeps_the_record(house):
    filled = house.fill()
    first = house.call("erase", user="gone")
    again = house.call("erase", user_hash=filled.gone)
    assert (again.traces, again.labels, again.deleted_files, again.expired_snapshots, again.complete) == (0, 0, 0, 0, True)
    assert again.datasets == first.datasets
    assert len(house.rows("erasures")) == 1


def test_unknown_user_leaves_snapshots_alone_but_is_kept_out(house):
    house.fill()
    with open_lake(house.ctx.config, house.folder) as lake:
        before = lake.history("traces")
    result = house.call("erase", user="never seen")
    assert (result.traces, result.expired_snapshots, result.deleted_files, result.complete) == (0, 0, 0, True)
    with open_lake(house.ctx.config, house.folder) as lake:
        assert lake.history("traces") == before


@pytest.mark.parametrize("crash_at", range(6))
def test_killed_anywhere_and_repeated_ends_clean(house, secret, monkeypatch, crash_at):
    filled = house.fill()
    calls = []
    for name in ("replace_batch", "delete_rows", "upkeep"):
        real = getattr(Lake, name)

        def crash(self, *args, real=real, **kwargs):
            calls.append(args)
            if len(calls) == 2 * crash_at + 1:
                raise KeyboardInterrupt
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Lake, name, crash)
    with pytest.raises(KeyboardInterrupt):
        house.call("erase", user="gone")
    monkeypatch.undo()
    result = house.call("erase", user="gone")
    assert result.complete
    assert result.datasets == (filled.digest,)
    assert house.holding(secret) == []
    assert len(house.rows("traces")) == len(house.rows("labels")) == 10


def test_tagged_snapshots_do_not_keep_the_user(house, secret):
    house.fill()
    with open_lake(house.ctx.config, house.folder) as lake:
        lake.upkeep(
            "traces", lambda opened: opened.manage_snapshots().create_tag(opened.current_snapshot().snapshot_id, "train-r1").commit()
        )
    assert house.call("erase", user="gone").complete
    assert house.holding(secret) == []


def test_file_of_a_write_in_progress_waits(house, secret, make_trace):
    house.fill()
    import pyarrow as pa

    with open_lake(house.ctx.config, house.folder) as lake:
        row, _ = split_row(make_trace(77, keyed_hash(house.key, "gone"), text=f"{secret} staged") | {"ingest_batch": "x"})
        rows = pa.Table.from_pylist([row])
        (staged,) = lake.write_files("traces", rows, "staged-x")
    result = house.call("erase", settings={"inflight_hours": 1}, user="gone")
    assert (result.complete, result.pending_files) == (False, 1)
    assert "run erase again" in result.next_step
    assert [str(path) for path in house.holding(secret)] == [staged.path.removeprefix("file://")]
    again = house.call("erase", user="gone")
    assert again.complete
    assert house.holding(secret) == []


def test_reingesting_the_raw_file_brings_nothing_back(house, tmp_path):
    raw = tmp_path.parent / f"{tmp_path.name}-raw"
    raw.mkdir()
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "agent-model",
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "zebra question?"}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "zebra answer"}]}]),
        "user.id": "gone",
        "ctp.consent": "train",
        "ctp.region": "eu-west-1",
        "ctp.confidentiality": "internal",
    }
    span = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "name": "chat",
        "startTimeUnixNano": "1780000000000000000",
        "endTimeUnixNano": "1780000001000000000",
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    (raw / "a.jsonl").write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) + "\n")
    plan = lambda: ingest.run(ingest.Params(sources=(str(raw),)), house.ctx)  # noqa: E731
    assert govern_plan(plan(), house.ctx).written == 1
    assert house.call("erase", user="gone").traces == 1
    assert house.holding("zebra") == []
    (raw / "b.jsonl").write_text((raw / "a.jsonl").read_text().replace("\n", " \n"))
    planned = plan()
    assert planned.files == 1
    again = govern_plan(planned, house.ctx)
    assert (again.written, again.by_gate["consent"]) == (0, 1)
    assert house.holding("zebra") == []


def test_one_user_is_named_in_one_way(house):
    for params in ({}, {"user": "a", "user_hash": "0" * 64}, {"user_hash": "abc"}):
        with pytest.raises(UsageError):
            house.call("erase", **params)
