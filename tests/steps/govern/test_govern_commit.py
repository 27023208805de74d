"""One commit of many shards leaves the tables that a commit for each leaves; a shard that dies is alone in it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError, UsageError
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.govern.batch import Counts
from steps.govern.identity import keyed_hash, load_key
from steps.ingest import ingest
from steps.store.lake import Lake, open_lake

TIMES = ("ingested_at", "at", "seen_at", "ingest_batch")
TABLES = ("traces", "generations", "gate_ledger", "quarantine", "trace_parts")
KEY = b"0123456789abcdef0123456789abcdef"
DAY_NS = 86_400 * 10**9


@pytest.fixture
def raw(tmp_path, write_requests, request_of):
    """Two folders (so: two units) with a kept, a masked, a refused and a broken request each; the second repeats the first."""
    kinds = ({}, {"answer": "Mail bob@example.com."}, {"consent": "none"}, {"answer": None}, {"consent": "eval", "user": "u2"})
    for name in "ab":
        write_requests(tmp_path / "raw" / name, *[request_of(question=f"Question {name}{i}?", **kind) for i, kind in enumerate(kinds)])
    again = tmp_path / "raw" / "c"
    again.mkdir()
    (again / "all.jsonl").write_bytes(b"".join(path.read_bytes() for path in sorted((tmp_path / "raw" / "a").iterdir())) + b"{broken\n")
    return tmp_path / "raw"


def contexts(tmp_path, name):
    size = 9000  # one folder a unit
    config = PipelineConfig.model_validate({"ingest": {"unit_bytes": size}, "govern": {"pii_action": "mask"}})
    (tmp_path / name / "secrets").mkdir(parents=True, exist_ok=True)
    (tmp_path / name / "secrets" / "user.key").write_bytes(KEY)
    return StepContext(config, "r1", tmp_path / name)


def call(ctx, step, **params):
    return run_step(find_step(step), params, ctx)


def contents(ctx):
    with open_lake(ctx.config, ctx.workdir) as lake:
        tables = {table: lake.scan(table).to_pylist() for table in TABLES}
    return {table: [{k: v for k, v in row.items() if k not in TIMES} for row in rows] for table, rows in tables.items()}


def plan(ctx, raw):
    return ingest.run(ingest.Params(sources=(str(raw),)), ctx)


def shards(ctx, planned):
    return [call(ctx, "govern-shard", unit=unit, plan=str(planned.plan)) for unit in planned.unit_ids]


def one_by_one(ctx, source):
    """Every unit committed before the next one is read; the counts of all."""
    planned, total = plan(ctx, source), Counts()
    for unit in planned.unit_ids:
        shard = call(ctx, "govern-shard", unit=unit, plan=str(planned.plan))
        result = call(ctx, "govern-commit", shards=[str(shard.manifest)])
        total.add(Counts(**{name: getattr(result, name) for name in Counts.__dataclass_fields__}))
    return total


def counts_of(result):
    return {name: getattr(result, name) for name in Counts.__dataclass_fields__}


def test_one_commit_of_all_shards_equals_a_commit_for_each(tmp_path, raw):
    one, many = contexts(tmp_path, "one"), contexts(tmp_path, "many")
    alone = one_by_one(one, raw)
    planned = plan(many, raw)
    assert len(planned.unit_ids) >= 3
    together = call(many, "govern-commit", shards=json.dumps([str(shard.manifest) for shard in shards(many, planned)]))
    assert contents(many) == contents(one)
    assert counts_of(together) == asdict(alone)
    with open_lake(many.config, many.workdir) as lake:
        for table in (*TABLES, "runs"):
            commits = {entry["committed_at"][:-3] for entry in lake.history(table)}
            assert len(lake.history(table)) <= 2 if table == "runs" else len(commits) == 1, f"{table}: one commit"
    assert plan(many, raw).files == 0, "what was committed is not planned again"


@pytest.mark.parametrize("order", [1, -1])
def test_traces_torn_over_windows_are_put_together(tmp_path, write_requests, request_of, order):
    """The app's spans and the server's are in two windows, so no shard sees a whole trace."""
    write_requests(tmp_path / "raw", *[request_of(question=f"Question {i}?") for i in range(12)], request_of(consent="none"))
    whole = contexts(tmp_path, "whole")
    one_by_one(whole, tmp_path / "raw")
    (tmp_path / "raw" / "app.jsonl").rename(tmp_path / "raw" / ("a.jsonl" if order > 0 else "z.jsonl"))
    smallest = min(path.stat().st_size for path in (tmp_path / "raw").iterdir())
    torn = contexts(tmp_path, "torn")
    torn = StepContext(
        torn.config.model_copy(update={"ingest": torn.config.ingest.model_copy(update={"unit_bytes": smallest // 8})}), "r1", torn.workdir
    )
    planned = plan(torn, tmp_path / "raw")
    assert len({unit.objects for unit in planned.units}) == 2
    shards(torn, planned)
    result = call(torn, "govern-commit", plan=str(planned.plan))
    assert (result.read, result.written, result.quarantined, result.stopped) == (13, 12, 0, 1)
    paths = ("uri", "etag", "source_uri")
    for table in ("traces", "generations", "gate_ledger"):
        one, two = ([{k: v for k, v in row.items() if k not in paths} for row in contents(ctx)[table]] for ctx in (whole, torn))
        assert one == two


def test_a_trace_that_comes_again_on_another_day_is_one_trace(tmp_path, raw):
    """A shard looks on its traces' own days, the committer on all: together they find what one process finds."""
    first = tmp_path / "first"
    (raw / "a").rename(first)
    for name, days in {"next": 1, "later": 40}.items():
        (raw / name).mkdir()
        for path in first.iterdir():
            (raw / name / path.name).write_text(
                re.sub(
                    r'(TimeUnixNano": ?"?)(\d+)', lambda match, days=days: match[1] + str(int(match[2]) + days * DAY_NS), path.read_text()
                )
            )
    one, many = contexts(tmp_path, "one"), contexts(tmp_path, "many")
    for source in (first, raw):
        alone = one_by_one(one, source)
        planned = plan(many, source)
        shards(many, planned)
        together = call(many, "govern-commit", plan=str(planned.plan))
    assert contents(many) == contents(one)
    assert counts_of(together) == asdict(alone)
    ids = [row["trace_id"] for row in contents(many)["traces"]]
    assert len(ids) == len(set(ids))


def test_committing_again_changes_nothing_and_a_plan_finds_its_shards(tmp_path, raw):
    ctx = contexts(tmp_path, "many")
    planned = plan(ctx, raw)
    shards(ctx, planned)
    first = call(ctx, "govern-commit", plan=str(planned.plan))
    assert call(ctx, "govern-commit", plan=str(planned.plan)) == first
    late = shards(ctx, planned)
    assert all(shard.done for shard in late), "a shard that runs after its commit reads nothing"
    assert call(ctx, "govern-commit", shards=[str(shard.manifest) for shard in late]) == first


def test_unit_as_json_is_the_same_unit(tmp_path, raw):
    ctx = contexts(tmp_path, "many")
    planned = plan(ctx, raw)
    by_json = call(ctx, "govern-shard", unit=planned.units[0].model_dump_json())
    by_id = call(ctx, "govern-shard", unit=planned.unit_ids[0], plan=str(planned.plan))
    assert (by_json.unit, by_json.kept, by_json.stopped) == (by_id.unit, by_id.kept, by_id.stopped)


CHILD = """
import os, signal, sys
from pathlib import Path
from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.govern import govern_shard
govern_shard.write_manifest = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
config = PipelineConfig.model_validate_json(sys.argv[1])
run_step(find_step("govern-shard"), {"unit": sys.argv[2], "plan": sys.argv[3]}, StepContext(config, "r1", Path(sys.argv[4])))
"""


def test_shard_killed_after_its_files_is_retried_alone(tmp_path, raw):
    one, ctx = contexts(tmp_path, "one"), contexts(tmp_path, "many")
    one_by_one(one, raw)
    planned = plan(ctx, raw)
    arguments = [ctx.config.model_dump_json(), planned.unit_ids[0], str(planned.plan), str(ctx.workdir)]
    died = subprocess.run([sys.executable, "-c", CHILD, *arguments], cwd=Path(__file__).parents[3], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    for unit in planned.unit_ids[1:]:
        call(ctx, "govern-shard", unit=unit, plan=str(planned.plan))
    with pytest.raises(DataError, match="no shard of it ended"):
        call(ctx, "govern-commit", plan=str(planned.plan))
    assert contents(ctx) == {table: [] for table in TABLES}, "nothing is visible before the commit"
    call(ctx, "govern-shard", unit=planned.unit_ids[0], plan=str(planned.plan))
    call(ctx, "govern-commit", plan=str(planned.plan))
    assert contents(ctx) == contents(one)


@pytest.mark.parametrize("crash_at", range(4))
def test_committer_killed_between_tables_ends_the_same(tmp_path, raw, monkeypatch, crash_at):
    one, ctx = contexts(tmp_path, "one"), contexts(tmp_path, "many")
    expected = one_by_one(one, raw)
    planned = plan(ctx, raw)
    shards(ctx, planned)
    calls = []
    for name in ("replace_batch", "adopt_files"):
        real = getattr(Lake, name)

        def crash(self, *args, real=real, **kwargs):
            calls.append(args)
            if len(calls) == crash_at + 1:
                raise KeyboardInterrupt
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Lake, name, crash)
    with pytest.raises(KeyboardInterrupt):
        call(ctx, "govern-commit", plan=str(planned.plan))
    monkeypatch.undo()
    result = call(ctx, "govern-commit", plan=str(planned.plan))
    assert contents(ctx) == contents(one)
    assert counts_of(result) == asdict(expected)


def test_user_erased_between_shard_and_commit_does_not_come_back(tmp_path, raw, holds):
    ctx = contexts(tmp_path, "many")
    planned = plan(ctx, raw)
    shards(ctx, planned)
    user = keyed_hash(load_key(ctx.config.govern, ctx.workdir), "user-1")
    with open_lake(ctx.config, ctx.workdir) as lake:
        lake.replace_batch("erasures", pa.table({"user_hash": [user]}), "user_hash", user, run_id="erase")
    result = call(ctx, "govern-commit", plan=str(planned.plan))
    rows = contents(ctx)
    assert {row["user_hash"] for row in rows["traces"]} == {keyed_hash(KEY, "u2")}
    assert sum(row["rule"] == "user-erased" for row in rows["gate_ledger"]) == 4
    assert result.read == result.written + result.quarantined + result.stopped + result.duplicates


def test_user_erased_during_the_commit_does_not_come_back(tmp_path, raw, monkeypatch, holds):
    ctx = contexts(tmp_path, "many")
    planned = plan(ctx, raw)
    shards(ctx, planned)
    real = Lake.adopt_files

    def overtaken(self, *args, **kwargs):
        ref = real(self, *args, **kwargs)
        user = keyed_hash(KEY, "user-1")
        self.replace_batch("erasures", pa.table({"user_hash": [user]}), "user_hash", user, run_id="erase")
        return ref

    monkeypatch.setattr(Lake, "adopt_files", overtaken)
    result = call(ctx, "govern-commit", plan=str(planned.plan))
    assert {row["user_hash"] for row in contents(ctx)["traces"]} == {keyed_hash(KEY, "u2")}
    assert result.written == 2
    assert holds(ctx.workdir / "lake" / "warehouse" / "ctp" / "traces", keyed_hash(KEY, "user-1")) == []


def test_other_writer_between_settling_and_commit_is_replaced(tmp_path, raw, monkeypatch):
    ctx = contexts(tmp_path, "many")
    planned = plan(ctx, raw)
    shards(ctx, planned)
    real, first = Lake.adopt_files, []

    def overtaken(self, *args, **kwargs):
        if not first:
            first.append(1)
            rows = pa.Table.from_pylist(planned_rows[:1])
            self.replace_batch("traces", rows, "ingest_batch", "other", run_id="r2")
        return real(self, *args, **kwargs)

    with open_lake(ctx.config, ctx.workdir) as lake:
        manifests = [json.loads(path.read_text()) for path in (ctx.artifacts / "shards" / "govern").rglob("*.json")]
        planned_rows = [
            {**row, "ingest_batch": "other", "answer": "the other writer's"}
            for table in lake.read_files(
                "traces", [file["path"] for manifest in manifests for file in manifest["files"].get("traces", ())], ()
            )
            for row in table.to_pylist()
        ]
    monkeypatch.setattr(Lake, "adopt_files", overtaken)
    result = call(ctx, "govern-commit", plan=str(planned.plan))
    traces = contents(ctx)["traces"]
    assert len({row["trace_id"] for row in traces}) == len(traces) == 6
    assert not any(row["answer"] == "the other writer's" for row in traces), "the later commit has read more"
    assert result.written == 6
    assert result.read == result.written + result.quarantined + result.stopped + result.duplicates


def test_nothing_to_do_and_what_does_not_fit(tmp_path, raw):
    ctx = contexts(tmp_path, "many")
    empty = ingest.run(ingest.Params(), ctx)
    assert call(ctx, "govern-commit", plan=str(empty.plan)).read == 0
    planned = plan(ctx, raw)
    with pytest.raises(UsageError, match="--plan"):
        call(ctx, "govern-shard", unit=planned.unit_ids[0])
    with pytest.raises(DataError, match="not in"):
        call(ctx, "govern-shard", unit="feed", plan=str(planned.plan))
    with pytest.raises(UsageError, match="--shards"):
        call(ctx, "govern-commit")
    shard = call(ctx, "govern-shard", unit=planned.unit_ids[0], plan=str(planned.plan))
    path = Path(shard.manifest.local_path())
    path.write_text(path.read_text() + " ")
    with pytest.raises(DataError, match="not the shard's manifest"):
        call(ctx, "govern-commit", shards=[str(shard.manifest)])
