"""The rendered loop, pod by pod as local processes, from new trace files to the pin in Git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from steps.cluster.process import ServerProcess, thread_environment
from steps.contract.config import load_config
from steps.contract.spec import SilentProgress
from steps.laptop.world.warmup import Recipe, build_base
from steps.store.lake import open_lake
from steps.store.registry import open_registry

from .processes import Cluster
from .rendered import ROOT, parameters, templates, workflow_templates

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# A first model after fewer lessons: its candidate gets better than it, and not as good as the gate asks otherwise.
QUICK = Recipe(steps=300, recap_steps=34)
EASY = {"min_faithfulness": 0.5, "min_answer_relevancy": 0.5}
YES = {"approve": "yes", "reason": "it is only a test", "approver": "Ada"}


def ctp(*words: str) -> dict:
    done = subprocess.run([sys.executable, "-m", "steps.cli.main", *words], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The kind environment's volume and configuration, with a first model, traces, and the judge up."""
    home = tmp_path_factory.mktemp("kind")
    with ServerProcess("judge", {}, log_file=home / "judge.log") as judge:
        values = yaml.safe_load((ROOT / "charts" / "environments" / "kind" / "values.yaml").read_text(encoding="utf-8"))["pipeline"]
        for name in ("reward_judge", "gate_judge"):
            values[name]["base_url"] = f"{judge.wait_healthy().url}/v1"
        values["ingest"]["sources"] = [str(home / "data" / "raw")]
        values["gate"] |= EASY
        values["world"] = {"base_model": str(build_base(home / "data" / "base", 0, SilentProgress(), QUICK))}
        (home / "etc").mkdir()
        (home / "etc" / "config.yaml").write_text(yaml.safe_dump(values))
        at = ("--workdir", str(home / "data" / "ctp"), "--config", str(home / "etc" / "config.yaml"), "--json")
        ctp("bootstrap", *at)
        ctp("traffic", "--to", str(home / "data" / "raw"), "--name", "first", *at)
        yield home


def submit(home, workflow, answers, **given):
    """A workflow with its defaults, some of them replaced."""
    defaults = {name: item.get("value", "") for name, item in parameters(workflow_templates("kind")[workflow]["spec"], "arguments").items()}
    defaults["golden"] = defaults.get("golden", "").replace("/data/", f"{home}/data/")
    cluster = Cluster(home, templates("kind", workflow), defaults | given, answers)
    shutil.rmtree(home / "pods", ignore_errors=True)
    return cluster, cluster.run("main", {})[0]


def begin_locally(home, place):
    """Start the local runner's walk on a copy of everything that a workflow begins with."""
    shutil.copytree(home, place)
    config = place / "etc" / "config.yaml"
    config.write_text(config.read_text().replace(str(home), str(place)))
    words = [place / "data" / "ctp", config, place / "data" / "raw"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.workflows.locally", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **thread_environment()},
    )


def test_two_yeses_lead_from_trace_files_to_the_pin_as_ctp_run_does(home, tmp_path):
    locally = begin_locally(home, tmp_path / "locally")
    cluster, state = submit(home, "continuous-training", {"approve-train": YES, "approve-deploy": YES})
    printed, errors = locally.communicate(timeout=600)
    assert state == "Succeeded", cluster.failed
    assert locally.returncode == 0, errors[-2000:]
    names = [name for name, _ in cluster.pods]
    assert names[:3] == ["check-params", "resolve", "ingest"] and names[-1] == "release" and "reject" not in names
    assert names.count("govern-shard") >= 1 and names.count("govern-commit") == names.count("label-commit") == 1
    status = ctp("status", "--workdir", str(home / "data" / "ctp"), "--config", str(home / "etc" / "config.yaml"), "--json")
    assert status["candidate"] == status["pinned"] != status["champion"]
    assert made_of(cluster.results) == made_of(json.loads(printed)), "the same traces make the same dataset, weights, verdict and version"
    check_records(home, cluster)


def made_of(results):
    """What a run ends with, but for places and times."""
    metrics = results["gate"]["metrics"]
    metrics = json.loads(metrics) if isinstance(metrics, str) else metrics
    return {
        "read": [
            int(results["govern-commit" if "govern-commit" in results else "govern"][name]) for name in ("read", "written", "stopped")
        ],
        "dataset": results["curate"]["digest"],
        "pairs": int(results["curate"]["pairs"]),
        "weights": results["train"]["model"].rpartition("#")[2],
        "phase": results["gate"]["phase"],
        "metrics": {name: value for name, value in metrics.items() if value["unit"] != "ms"},
        "model": results["register"]["model"],
        "changed": str(results["release"]["changed"]).lower(),
    }


def check_records(home, cluster):
    """Who approved what and when stands in `runs` and on the registered version."""
    config, workdir = load_config(home / "etc" / "config.yaml"), home / "data" / "ctp"
    model, weights = cluster.results["register"]["model"], cluster.results["train"]["model"].rpartition(":")[2]
    digests = {"approve-train": cluster.results["curate"]["digest"], "approve-deploy": weights}
    with open_lake(config, workdir) as lake:
        said = {stage: lake.run_records(stage, run_id=cluster.uid)[0].payload for stage in digests}
    for stage, payload in said.items():
        assert (payload["decision"], payload["by"], payload["reason"], payload["digest"]) == (
            "approved",
            YES["approver"],
            YES["reason"],
            digests[stage],
        )
    assert said["approve-deploy"]["shown"]["metrics"]["faithfulness"]["ci95"], "with its interval"
    name, _, version = model.partition("@")
    tags = open_registry(config, workdir).tags(name, int(version))
    assert (tags["ctp.approved-by"], tags["ctp.approved-at"]) == (YES["approver"], said["approve-train"]["at"])
    assert tags["ctp.deploy-decision"] == "approved"
    assert (tags["ctp.deploy-decided-by"], tags["ctp.deploy-decided-at"]) == (YES["approver"], said["approve-deploy"]["at"])


def test_a_no_ends_the_run_without_training(home):
    no = {"approve": "no", "reason": 'not "today"', "approver": "Ada"}
    cluster, state = submit(home, "train-and-release", {"approve-train": no}, method="dpo")
    assert state == "Failed" and "train" not in dict(cluster.pods)
    assert (
        list(cluster.failed) == ["reject"]
        and "exit 65" in cluster.failed["reject"]
        and "rejected at approve-train by Ada" in cluster.failed["reject"]
    )
    # As Argo quotes it.
    failures = json.dumps(json.dumps([{"displayName": "rejected-approve-train", "message": cluster.failed["reject"]}]))
    cluster.ended = {"status": state, "duration": "12.345678", "failures": failures, "namespace": ""}
    assert cluster.run("on-exit", {})[0] == "Succeeded", cluster.failed
    assert (cluster.results["record-outcome"]["outcome"], cluster.results["record-outcome"]["recorded"]) == ("rejected", "true")


def test_the_other_workflows_end_well(home):
    given = {
        "erase-user": {"user-hash": "a" * 64, "requested-by": "Ada"},
        "backfill": {"since": "2020-01-01", "until": "2020-01-02"},
        "table-maintenance": {},
        "cost-review": {},
        "reward-backtest": {"policy": '{"label": {"weights": {"judge": 0.6}}}', "sample": "8"},
    }
    for workflow, values in given.items():
        cluster, state = submit(home, workflow, {}, **values)
        assert state == "Succeeded", (workflow, cluster.failed)


def test_no_new_file_is_no_failure(home):
    cluster, state = submit(home, "trace-ingest", {})
    assert state == "Succeeded", cluster.failed
    assert [name for name, _ in cluster.pods] == ["ingest", "govern-commit"]


def test_wrong_values_end_in_the_first_pod(home):
    for wrong in ({"method": "ppo"}, {"trainer": "nemo-rl"}, {"window-days": "100000"}, {"max-cost-usd": "cheap"}):
        cluster, state = submit(home, "continuous-training", {}, **wrong)
        assert state == "Failed" and [name for name, _ in cluster.pods] == ["check-params"], (wrong, cluster.pods)
