"""Killed at any instant and started again: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.govern.batch import Counts
from steps.store.lake import Lake

from ...fan_out import govern_plan, step

CHILD = """
import sys
from pathlib import Path
from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from tests.fan_out import govern
import pyiceberg.io.pyarrow, sqlalchemy, pyarrow.compute, opentelemetry
ctx = StepContext(PipelineConfig(), "r1", Path(sys.argv[2]))
print("ready", flush=True)
govern(ctx, sys.argv[1])
print("done", flush=True)
"""


@pytest.fixture
def requests(request_of):
    good = [request_of(question=f"Question {i}?") for i in range(20)]
    return [*good, request_of(consent="none"), request_of(answer=None), request_of(answer="bob@example.com")]


def contents(workdir, read_table):
    """What the lake holds, without the times of writing."""
    drop = ("ingested_at", "at", "seen_at", "ingest_batch")
    return {
        name: [{k: v for k, v in row.items() if k not in drop} for row in read_table(workdir, name)]
        for name in ("traces", "generations", "gate_ledger", "quarantine", "claims", "trace_parts")
    }


def test_kill_at_random_instants(tmp_path, write_requests, run_both, read_table, requests):
    write_requests(tmp_path / "raw", *requests)
    work = tmp_path / "work"
    seed = random.randrange(10**6)
    pick = random.Random(seed)
    done = 0
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "raw"), str(work)], stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "ready\n"
        time.sleep(pick.uniform(0, 0.5))
        os.kill(child.pid, signal.SIGKILL)
        done += "done" in child.communicate(timeout=30)[0]
    run_both(tmp_path / "raw", work)
    clean = tmp_path / "clean"
    (clean / "secrets").mkdir(parents=True)
    (clean / "secrets" / "user.key").write_bytes((work / "secrets" / "user.key").read_bytes())
    run_both(tmp_path / "raw", clean)
    assert contents(work, read_table) == contents(clean, read_table), f"seed {seed}, {done} runs ended"


# Claims, quarantine, ledger, traces, generations, parts, objects, the record that the unit is done, the watermark.
COMMITS = 9


@pytest.mark.parametrize("crash_at", range(COMMITS + 1))
def test_crash_before_each_commit(tmp_path, write_requests, run_both, read_table, requests, monkeypatch, crash_at):
    write_requests(tmp_path / "raw", *requests)
    calls = []

    def crashing(real):
        def commit(self, *args, **kwargs):
            calls.append(args)
            if len(calls) == crash_at + 1:
                raise KeyboardInterrupt
            return real(self, *args, **kwargs)

        return commit

    for name in ("replace_batch", "adopt_files"):
        monkeypatch.setattr(Lake, name, crashing(getattr(Lake, name)))
    try:
        run_both(tmp_path / "raw", tmp_path / "work")
    except KeyboardInterrupt:
        assert crash_at < COMMITS
    else:
        assert crash_at == COMMITS
    monkeypatch.undo()
    again = run_both(tmp_path / "raw", tmp_path / "work")
    assert again.written == (20 if crash_at < COMMITS - 2 else 0), "the objects are known after everything that they hold is stored"
    held = contents(tmp_path / "work", read_table)
    assert [len(held[name]) for name in ("traces", "generations", "gate_ledger", "quarantine")] == [20, 20, 2, 1]


def test_same_trace_in_two_units_at_once_is_stored_once(tmp_path, write_requests, read_table, request_of, monkeypatch):
    write_requests(tmp_path / "a", request_of())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "all.jsonl").write_bytes(b"".join(path.read_bytes() for path in sorted((tmp_path / "a").iterdir())))
    ctx = StepContext(PipelineConfig(), "r1", tmp_path / "work")
    first, second = (step("ingest", ctx, sources=(str(tmp_path / name),)) for name in "ab")
    step("govern-shard", ctx, unit=second.unit_ids[0], plan=second.plan)
    real, overtaken = Lake.adopt_files, []

    def adopt_after_another(self, *args, **kwargs):
        if not overtaken:
            overtaken.append(True)
            assert govern_plan(first, ctx).written == 1
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Lake, "adopt_files", adopt_after_another)
    counts = step("govern-commit", ctx, plan=second.plan)
    assert (counts.read, counts.written) == (1, 1), "the later commit puts its row in the place of the same one"
    assert len(read_table(tmp_path / "work", "traces")) == len(read_table(tmp_path / "work", "generations")) == 1


def test_counts_add_up():
    total = Counts(read=1, written=1)
    total.add(Counts(read=2, quarantined=1, by_gate={"pii": 1}))
    assert asdict(total) == {
        "read": 3,
        "spans": 0,
        "written": 1,
        "quarantined": 1,
        "duplicates": 0,
        "masked": 0,
        "by_gate": {"consent": 0, "region": 0, "confidentiality": 0, "pii": 1},
    }
