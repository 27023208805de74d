"""`ctp run`: killed at random instants and continued, then run again, sabotaged, and trained on noise."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig, load_config
from steps.contract.files import sha256_file
from steps.contract.refs import ArtifactRef
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.laptop.world.domain import World
from steps.store.lake import open_lake

from ..fan_out import govern, label
from .conftest import ROOT, ctp, killed_run, read_report, read_state, wait_until_gone
from .planted import ALLOWED, PLANTED, everything_written, write_planted

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]
SEED = 77
LAPTOP = ROOT / "steps" / "laptop" / "laptop.yaml"


@pytest.fixture(scope="module")
def looped(tmp_path_factory, kill_seed):
    """A work folder after one run that was killed five times, with planted traces among its sources."""
    folder = tmp_path_factory.mktemp("loop")
    workdir, source = folder / "work", write_planted(folder / "planted.jsonl")
    arguments = ["run", "--yes", "--workdir", workdir, "--seed", SEED, "--source", source, "--set", "ingest.keep_raw=true"]
    rng = random.Random(kill_seed)
    killed = killed_run(arguments, [rng.uniform(4, 26) for _ in range(4)])
    assert killed, "the run was never killed"
    wait_until_gone(workdir)
    done = ctp(*arguments)
    print(f"CTP_KILL_SEED={kill_seed}: killed after {[round(delay, 1) for delay in killed]} s")
    return workdir, source, done


def test_killed_run_ends_promoted_and_better(looped):
    workdir, _, done = looped
    report = read_report(workdir, "run-0001")
    faithfulness = report["gate"]["metrics"]["faithfulness"]
    assert report["outcome"] == "promoted"
    assert faithfulness["champion"] <= 0.70
    assert faithfulness["candidate"] >= 0.85
    assert faithfulness["delta"] >= 0.15 and faithfulness["ci95"][0] > 0
    assert report["gate"]["metrics"]["gold_restated"]["delta"] >= 0.15
    assert report["gate"]["metrics"]["fluency"]["candidate"] >= 0.90
    assert report["canary"]["user_errors"] == 0
    assert [step["weight"] for step in report["canary"]["steps"]] == [5, 25, 100]
    assert report["registry"]["champion"] == "agent-model@2"
    assert report["peak_memory_mb"] <= 4096
    assert "Promoted" in done.stdout and "report.html" in done.stdout
    assert wait_until_gone(workdir) == []


def test_no_row_is_lost_or_doubled(looped):
    workdir, _, _ = looped
    report, state = read_report(workdir, "run-0001"), read_state(workdir, "run-0001")
    ingest = report["ingest"]
    assert ingest["read"] == ingest["written"] + ingest["quarantined"] + ingest["duplicates"] + sum(ingest["by_gate"].values())
    assert ingest["read"] == state["results"]["traffic"]["requests"] + len(PLANTED) + 2, (
        "every request is one trace; the torn line is one more"
    )
    with open_lake(PipelineConfig(), workdir) as lake:
        for table, key in (("traces", ["trace_id"]), ("labels", ["trace_id", "policy_version"])):
            rows = lake.scan(table, tuple(key))
            assert rows.num_rows == len({tuple(row.values()) for row in rows.to_pylist()}), f"{table} holds a row twice"


def data_digest(workdir: Path, config: PipelineConfig, sources: list[str], golden: str) -> str:
    """The dataset digest of an uninterrupted pass over trace files in a new folder."""
    ctx = StepContext(config=config, run_id="again", workdir=workdir)
    governed = govern(ctx, *sources)
    labelled = label(ctx, governed.traces)
    params = {"traces": governed.traces, "labels": labelled.labels, "policy_version": labelled.policy_version}
    return run_step(find_step("curate"), params | {"golden": golden, "champion": "agent-model@1"}, ctx).digest


def judged(url: str) -> PipelineConfig:
    config = load_config(profile=LAPTOP)
    judges = {name: getattr(config, name).model_copy(update={"base_url": f"{url}/v1"}) for name in ("reward_judge", "gate_judge")}
    return config.model_copy(update=judges)


def test_same_traces_give_the_same_dataset(looped, tmp_path):
    workdir, source, _ = looped
    results = read_state(workdir, "run-0001")["results"]
    files = [item["uri"] for unit in results["ingest"]["units"] for item in unit["objects"]]
    with ServerProcess("judge", {}, log_file=tmp_path / "judge.log") as judge:
        config = judged(judge.wait_healthy().url)
        assert data_digest(tmp_path / "work", config, files, results["world"]["golden"]) == results["curate"]["digest"]


def test_planted_violations_stand_in_no_file(looped):
    workdir, _, _ = looped
    written = everything_written(workdir)
    for marker in [*PLANTED, "zebrafinch-torn", "jane.roe@example.org"]:
        holders = [name for name, content in written.items() if marker.encode() in content]
        assert not holders, f"{marker} stands in {holders}"
    assert any(ALLOWED.encode() in content for content in written.values()), "the allowed trace is gone too: the test proves nothing"


def test_held_out_questions_train_nothing(looped):
    workdir, _, _ = looped
    world = World.create(SEED)
    with open_lake(PipelineConfig(), workdir) as lake:
        text = json.dumps([lake.scan(table).to_pylist() for table in ("traces", "datasets")], default=str)
    dataset = Path(ArtifactRef.model_validate(read_state(workdir, "run-0001")["results"]["curate"]["dataset"]).local_path())
    text += dataset.read_text(encoding="utf-8")
    for item in world.golden_items:
        assert item.question not in text and item.statement not in text
    assert not [name for name in world.unseen_entities if name in text]


def test_sabotaged_candidate_is_aborted(looped, tmp_path):
    workdir, _, _ = looped
    mine = tmp_path / "work"
    # The first model is cached by content: another folder may bring it along.
    for base in (workdir / "artifacts" / "models").glob("base-*"):
        shutil.copytree(base, mine / "artifacts" / "models" / base.name)
    ctp("run", "--yes", "--workdir", mine, "--seed", SEED, "--sabotage")
    report, state = read_report(mine, "run-0001"), read_state(mine, "run-0001")
    assert report["gate"]["phase"] == "Successful", "the candidate passes the gate and is broken afterwards"
    assert report["outcome"] == "aborted"
    assert report["canary"]["user_errors"] == 0
    assert report["canary"]["abort_seconds"] <= load_config(profile=LAPTOP).canary.interval_s
    assert report["registry"]["champion"] == "agent-model@1"
    assert report["release"]["reverted"]
    pin = ctp_git(mine, "show", "main:charts/environments/kind/model.yaml")
    assert f"version: {state['results']['release']['previous_version']}" in pin


def ctp_git(workdir: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(workdir / "gitops.git"), *arguments], capture_output=True, text=True, check=True).stdout


def test_shuffled_labels_do_not_pass_the_gate(looped, tmp_path):
    workdir, _, _ = looped
    results = read_state(workdir, "run-0001")["results"]
    rng = random.Random(SEED)
    rows = [
        json.loads(line) for line in Path(ArtifactRef.model_validate(results["curate"]["dataset"]).local_path()).read_text().splitlines()
    ]
    for row in rows:
        if row["kind"] == "pair" and rng.random() < 0.5:
            row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    dataset = ArtifactRef(uri=shuffled.as_uri(), sha256=sha256_file(shuffled))
    champion = results["world"]["champion_artifact"]
    with ServerProcess("judge", {}, log_file=tmp_path / "judge.log") as judge:
        ctx = StepContext(config=judged(judge.wait_healthy().url), run_id="noise", workdir=tmp_path / "work")
        trained = run_step(find_step("train"), {"dataset": dataset, "base": champion, "method": "dpo"}, ctx)
        verdict = run_step(find_step("gate"), {"champion": champion, "candidate": trained.model, "golden": results["world"]["golden"]}, ctx)
    assert verdict.phase != "Successful"
    assert verdict.metrics["faithfulness"]["candidate"] < 0.85


def test_second_run_continues_from_the_new_champion(looped):
    """Stands last: it goes on in the work folder that the tests above look at."""
    workdir, source, _ = looped
    ctp("run", "--yes", "--workdir", workdir, "--seed", SEED, "--source", source)
    first, second = read_report(workdir, "run-0001"), read_report(workdir, "run-0002")
    state = read_state(workdir, "run-0002")
    assert state["results"]["world"]["champion"] == first["registry"]["champion"]
    assert second["ingest"]["read"] == state["results"]["traffic"]["requests"], "known files are not read again"
    assert second["label"]["cache_hits"] > 0
    with open_lake(PipelineConfig(), workdir) as lake:
        versions = set(lake.scan("traces", ("model_version",), {"model": "agent-model"}).column("model_version").to_pylist())
        labels = lake.scan("labels", ("trace_id", "policy_version")).to_pylist()
    assert {"1", "2"} <= versions
    assert len(labels) == len({tuple(row.values()) for row in labels}), "a trace was labelled twice"
    assert state["results"]["world"]["champion_artifact"] == read_state(workdir, "run-0001")["results"]["train"]["model"]
    assert second["outcome"] in {"promoted", "rejected"}
