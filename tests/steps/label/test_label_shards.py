"""Many shards and one commit leave the labels, and the dataset, that one shard leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError, UsageError
from steps.contract.files import canonical_json, sha256_text
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.store.lake import open_lake

from ...lake_rows import put_traces

START = datetime(2026, 5, 1, tzinfo=UTC)
CONTEXTS = ["Silver Falcon listens on port 8443.", "Silver Falcon is owned by team Lynx."]


def trace(number, **changes):
    ts = START + timedelta(hours=9 * number)
    answer = ("Silver Falcon listens on port 8443.", "Silver Falcon listens on port 1234.", "Team Lynx.")[number % 3]
    question = f"Which port does Silver Falcon use, asked the {number // 6} time?"
    row = {
        "trace_id": f"{number:032x}",
        "source": "otlp",
        "ts": ts,
        "date": ts.date(),
        "model": "agent-model",
        "model_version": "1",
        "consent": "train",
        "status": "ok",
        "question": question,
        "messages_json": canonical_json([{"role": "user", "content": question}]),
        "contexts_json": canonical_json(CONTEXTS),
        "answer": answer,
        "prompt_key": sha256_text(question),
        "ingest_batch": "b1",
    } | changes
    return {"content_hash": sha256_text(canonical_json([row["question"], row["answer"]])), **row}


@pytest.fixture
def lab_of(tmp_path, judge_url):
    """A lake with traces, by name, and calls of steps on it."""

    def make(name, rows=()):
        base = PipelineConfig.model_validate({"label": {"batch_rows": 4}, "curate": {"min_pairs": 1}})
        judge = base.reward_judge.model_copy(update={"base_url": judge_url, "tries": 1})
        ctx = StepContext(base.model_copy(update={"reward_judge": judge}), "r1", tmp_path / name)
        with open_lake(ctx.config, ctx.workdir) as lake:
            ref = str(put_traces(lake, rows, "b1"))

        def call(step, **params):
            return run_step(find_step(step), {"traces": ref, **params}, ctx)

        def labels():
            # `calls`: whoever asks first for an embedding pays for it, and that is another in each process.
            drop = ("label_batch", "labelled_at", "calls")
            with open_lake(ctx.config, ctx.workdir) as lake:
                return [{k: v for k, v in row.items() if k not in drop} for row in lake.scan("labels").to_pylist()]

        def sharded(shards, **window):
            planned = call("label-plan", shards=shards, **window)
            done = [call("label-shard", shard=item.shard, shards=item.shards, **window) for item in planned.shards]
            return call("label-commit", shards=json.dumps([str(shard.manifest) for shard in done]), **window)

        return SimpleNamespace(ctx=ctx, ref=ref, call=call, labels=labels, sharded=sharded)

    return make


def curated(lab, result):
    return lab.call("curate", labels=str(result.labels), policy_version=result.policy_version)


def test_many_shards_equal_one(lab_of):
    rows = [trace(number) for number in range(18)]
    one, many = lab_of("one", rows), lab_of("many", rows)
    alone, together = one.sharded(1), many.sharded(3)
    assert many.labels() == one.labels()
    drop = {"labels", "llm_calls"}
    assert together.model_dump(exclude=drop) == alone.model_dump(exclude=drop)
    assert together.llm_calls > 0
    assert together.cache_hits == 9, "equal content is scored once, whatever the shards"
    assert curated(many, together).digest == curated(one, alone).digest
    with open_lake(many.ctx.config, many.ctx.workdir) as lake:
        assert len(lake.history("labels")) == 1


def test_a_second_round_and_a_repeated_commit_change_nothing(lab_of):
    lab = lab_of("many", [trace(number) for number in range(9)])
    first = lab.sharded(2)
    again = lab.sharded(2)
    assert (again.labels, again.mean_score) == (first.labels, first.mean_score)
    assert lab.call("label-plan").model_dump(include={"unlabelled", "shards"}) == {"unlabelled": 0, "shards": ({"shard": 0, "shards": 1},)}


def test_label_of_changed_content_is_replaced_in_the_same_commit(lab_of):
    lab = lab_of("many", [trace(number) for number in range(6)])
    lab.sharded(1)
    changed = lab_of("many", [trace(0, answer="Silver Falcon listens on port 9999."), *[trace(number) for number in range(1, 6)]])
    result = changed.sharded(2)
    assert result.labelled == 1
    assert len({row["trace_id"] for row in changed.labels()}) == len(changed.labels()) == 6


def test_only_the_window_is_labelled_and_curated(lab_of):
    lab = lab_of("many", [trace(number) for number in range(12)])
    window = {"since": "2026-05-02", "until": "2026-05-03"}
    inside = [number for number in range(12) if 2 <= (START + timedelta(hours=9 * number)).day <= 3]
    alone = lab_of("one", [trace(number) for number in range(12)])
    result = lab.sharded(2, **window)
    assert result.labelled == alone.sharded(1, **window).labelled == len(inside)
    assert [row["trace_id"] for row in lab.labels()] == [f"{number:032x}" for number in inside]
    full = lab.sharded(2)
    one_day = lab.call("curate", labels=str(full.labels), policy_version=full.policy_version, since="2026-05-01", until="2026-05-01")
    assert one_day.prompts == 1 < curated(lab, full).prompts
    assert (
        curated(lab, full).digest
        == lab.call("curate", labels=str(full.labels), policy_version=full.policy_version, since="", until="").digest
    )


def test_trace_that_is_gone_gets_no_label(lab_of):
    lab = lab_of("many", [trace(number) for number in range(6)])
    shard = lab.call("label-shard", shard=0, shards=1)
    with open_lake(lab.ctx.config, lab.ctx.workdir) as lake:
        lake.delete_rows("traces", {"trace_id": f"{0:032x}"}, run_id="erase")
    lab.call("label-commit", shards=[str(shard.manifest)])
    assert len(lab.labels()) == 5


def test_what_does_not_fit_is_refused(lab_of):
    lab = lab_of("many", [trace(number) for number in range(6)])
    shards = [str(lab.call("label-shard", shard=number, shards=2).manifest) for number in range(2)]
    with pytest.raises(UsageError, match="count from 0"):
        lab.call("label-shard", shard=2, shards=2)
    for wrong, message in ((shards[:1], "every shard"), ([shards[0]] * 2, "every shard")):
        with pytest.raises(DataError, match=message):
            lab.call("label-commit", shards=wrong)
    with pytest.raises(DataError, match="window"):
        lab.call("label-commit", shards=shards, since="2026-05-02")
    file = next(Path(shards[0].split("#")[0].removeprefix("file://")).parent.glob("batch-*.json"))
    file.write_text(file.read_text().replace("scored", "scared"))
    with pytest.raises(DataError, match="not the batch"):
        lab.call("label-commit", shards=shards)
    assert lab.labels() == []


CHILD = """
import os, signal, sys
from pathlib import Path
from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.label import shard_files


write, count = shard_files.ShardFiles.write, [0]
def dying(self, *args, **named):
    count[0] += 1
    if count[0] == 2: os.kill(os.getpid(), signal.SIGKILL)
    return write(self, *args, **named)
shard_files.ShardFiles.write = dying
config = PipelineConfig.model_validate_json(sys.argv[1])
run_step(find_step("label-shard"), {"traces": sys.argv[2], "shard": "0", "shards": "1"}, StepContext(config, "r1", Path(sys.argv[3])))
"""


def test_killed_shard_goes_on_where_it_was(lab_of):
    rows = [trace(number) for number in range(18)]
    one, lab = lab_of("one", rows), lab_of("many", rows)
    alone = one.sharded(1)
    command = [sys.executable, "-W", "ignore", "-c", CHILD, lab.ctx.config.model_dump_json(), lab.ref, str(lab.ctx.workdir)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    written = list((lab.ctx.artifacts / "shards" / "label").rglob("batch-*.json"))
    assert len(written) == 1
    shard = lab.call("label-shard", shard=0, shards=1)
    result = lab.call("label-commit", shards=[str(shard.manifest)])
    assert lab.labels() == one.labels()
    assert (result.labelled, result.cache_hits) == (alone.labelled, alone.cache_hits)
