"""The step against a real lake and a real judge process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError, DataError, TransientError
from steps.contract.files import canonical_json, sha256_text
from steps.contract.spec import StepContext
from steps.scoring import client as client_module
from steps.store.lake import open_lake

from ... import fan_out
from ...lake_rows import put_traces

START = datetime(2026, 5, 1, tzinfo=UTC)
QUESTION = "Which port does Silver Falcon use?"
CONTEXTS = ["Silver Falcon listens on port 8443.", "Silver Falcon is owned by team Lynx."]


def trace(number: int, answer: str = "", **changes: Any) -> dict[str, Any]:
    """One row of the trace table."""
    ts = START + timedelta(hours=number)
    row = {
        "trace_id": f"{number:032x}",
        "source": "otlp",
        "ts": ts,
        "date": ts.date(),
        "model": "agent-model",
        "model_version": "1",
        "consent": "train",
        "status": "ok",
        "question": QUESTION,
        "messages_json": "[]",
        "contexts_json": canonical_json(CONTEXTS),
        "answer": answer or f"Silver Falcon listens on port {8400 + number}.",
        "ingest_batch": "b1",
    } | changes
    return {"content_hash": sha256_text(canonical_json([row["contexts_json"], row["answer"]])), **row}


@pytest.fixture
def world(tmp_path: Path, judge_url: str) -> SimpleNamespace:
    """`ingest(rows)`, `label()` and `labels()` over one lake."""

    base = PipelineConfig()

    def config(url: str = judge_url, **label: Any) -> PipelineConfig:
        judge = base.reward_judge.model_copy(update={"base_url": url, "tries": 1})
        return base.model_copy(update={"reward_judge": judge, "label": base.label.model_copy(update=label)})

    def ingest(*rows: dict[str, Any]) -> str:
        with open_lake(base, tmp_path) as lake:
            return str(put_traces(lake, rows, rows[0]["ingest_batch"]))

    def label(ref: str, settings: PipelineConfig | None = None) -> Any:
        return fan_out.label(StepContext(settings or config(), "run-1", tmp_path), ref)

    def labels() -> list[dict[str, Any]]:
        with open_lake(base, tmp_path) as lake:
            return lake.scan("labels").to_pylist()

    return SimpleNamespace(config=config, ingest=ingest, label=label, labels=labels, folder=tmp_path)


def test_labels_what_is_trainable(world):
    ref = world.ingest(
        trace(43),
        trace(44),
        trace(1, consent="eval"),
        trace(2, status="error"),
        trace(3, answer="   "),
    )
    result = world.label(ref)
    good, wrong = world.labels()
    assert (result.labelled, result.unscored, result.cache_hits) == (2, 0, 0)
    assert result.llm_calls > 0
    assert result.labels.table == "ctp.labels"
    assert good["faithfulness"] == 1.0
    assert good["score"] > 0.9 > 0.3 > wrong["score"]
    assert result.mean_score == pytest.approx((good["score"] + wrong["score"]) / 2, abs=1e-6)
    for row in (good, wrong):
        assert row["policy_version"] == result.policy_version
        assert row["status"] == "scored"
        assert row["judge_model"] == "lexical-entailment-coverage"
        assert row["calls"] > 0


def test_a_second_run_does_nothing(world):
    ref = world.ingest(trace(1), trace(2))
    first = world.label(ref)
    again = world.label(ref, world.config(url="http://127.0.0.1:9/v1"))
    assert again == first, "the judge is not asked again"


def test_equal_content_is_scored_once(world):
    world.label(world.ingest(trace(1, answer="8443")))
    ref = world.ingest(
        *(trace(number, answer=answer, ingest_batch="b2") for number, answer in enumerate(("8443", "9090", "9090", "9090"), start=10))
    )
    result = world.label(ref)
    assert (result.labelled, result.cache_hits) == (4, 3)
    scores = {row["trace_id"]: row["score"] for row in world.labels()}
    assert scores[trace(1)["trace_id"]] == scores[trace(10)["trace_id"]]
    assert len({scores[trace(number)["trace_id"]] for number in (11, 12, 13)}) == 1


def test_a_trace_without_contexts_is_unscored_not_zero(world):
    result = world.label(world.ingest(trace(1, contexts_json="[]"), trace(2, contexts_json=None), trace(43)))
    rows = world.labels()
    assert (result.labelled, result.unscored) == (3, 2)
    assert [(row["status"], row["score"], row["error"]) for row in rows[:2]] == [("unscored", None, "no contexts")] * 2
    assert result.mean_score == rows[2]["score"]


def test_another_policy_labels_again_and_keeps_the_old(world):
    ref = world.ingest(trace(1), trace(2))
    first = world.label(ref)
    judge = world.config().reward_judge.model_copy(update={"model": "lexical-entailment-alignment"})
    gate = PipelineConfig().gate_judge.model_copy(update={"model": "lexical-entailment-coverage"})
    second = world.label(ref, world.config().model_copy(update={"reward_judge": judge, "gate_judge": gate}))
    assert second.labelled == 2
    assert {row["policy_version"] for row in world.labels()} == {first.policy_version, second.policy_version}
    assert len(world.labels()) == 4


def test_a_trace_that_changed_gets_a_new_label_in_place_of_the_old(world):
    world.label(world.ingest(trace(1, answer="9090")))
    result = world.label(world.ingest(trace(1, answer="8443")))
    (row,) = world.labels()
    assert result.labelled == 1
    assert row["content_hash"] == trace(1, answer="8443")["content_hash"]
    assert row["score"] > 0.9


def test_batches_of_any_size_give_the_same_labels(world):
    ref = world.ingest(*(trace(number) for number in range(30, 57)))
    world.label(ref, world.config(batch_rows=4))
    rows = world.labels()
    assert len(rows) == len({row["trace_id"] for row in rows}) == 27
    assert len(list(world.folder.rglob("batch-*.json"))) >= 7
    assert len({row["label_batch"] for row in rows}) == 1, "one commit"


def test_contexts_that_are_no_list_name_the_trace(world):
    ref = world.ingest(trace(7, contexts_json='{"a": 1}'))
    with pytest.raises(DataError, match=trace(7)["trace_id"]):
        world.label(ref)


def test_no_judge_configured(world):
    with pytest.raises(ConfigError, match="base_url"):
        world.label(world.ingest(trace(1)), world.config(url=""))


def test_an_absent_judge_ends_the_step_and_writes_nothing(world):
    ref = world.ingest(*(trace(number) for number in range(5)))
    with pytest.raises(TransientError, match="not reachable"):
        world.label(ref, world.config(url="http://127.0.0.1:9/v1"))
    assert world.labels() == []
    assert world.label(ref).labelled == 5


@pytest.fixture
def broken_judge(lab, monkeypatch):
    """Address of a judge that answers this share of requests with rubbish."""
    monkeypatch.setattr(client_module, "BACKOFF_S", (0.001, 0.001))
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    address: list[str] = []
    ready = threading.Event()

    async def handler(_: web.Request) -> web.Response:
        return lab.completion("rubbish")

    async def serve() -> None:
        async with lab.serving(handler) as url:
            address.append(url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(10)
    yield address[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def test_a_judge_that_talks_rubbish_ends_the_step(world, broken_judge):
    ref = world.ingest(*(trace(number) for number in range(60)))
    with pytest.raises(TransientError, match="the judge failed 20 of the last 20 traces"):
        world.label(ref, world.config(url=broken_judge))
    assert world.labels() == []


def test_a_tolerated_failure_is_recorded_as_unscored(world, broken_judge):
    result = world.label(world.ingest(trace(1)), world.config(url=broken_judge, max_failed_ratio=1.0))
    (row,) = world.labels()
    assert (result.labelled, result.unscored, row["status"], row["score"]) == (1, 1, "unscored", None)
    assert "no acceptable answer" in row["error"]
    assert "8401" not in row["error"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_shard_loses_at_most_one_batch_and_repeats_none(world):
    ref = world.ingest(
        *(
            trace(number % 24 + 24 * 0, answer=f"Silver Falcon listens on port {number}.") | {"trace_id": f"{number:032x}"}
            for number in range(60)
        )
    )
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from steps.contract.config import PipelineConfig\n"
        "from steps.contract.spec import StepContext\n"
        "from steps.label import label_shard, shard_files\n"
        "write, count = shard_files.ShardFiles.write, [0]\n"
        "def dying(self, *args, **named):\n"
        "    count[0] += 1\n"
        "    if count[0] == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return write(self, *args, **named)\n"
        "shard_files.ShardFiles.write = dying\n"
        "config = PipelineConfig.model_validate_json(sys.argv[1])\n"
        "params = label_shard.Params(traces=sys.argv[2], shard=0, shards=1)\n"
        "label_shard.run(params, StepContext(config, 'killed', Path(sys.argv[3])))\n"
    )
    settings = world.config(batch_rows=10)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, settings.model_dump_json(), ref, str(world.folder)],
        cwd=root,
        env=os.environ,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    paid = {path: path.read_text() for path in world.folder.rglob("batch-*.json")}
    assert len(paid) == 2 and world.labels() == []
    result = world.label(ref, settings)
    assert result.labelled == 60
    assert {path: path.read_text() for path in paid} == paid, "what was paid for is not asked again"
    assert len({row["trace_id"] for row in world.labels()}) == len(world.labels()) == 60
