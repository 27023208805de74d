"""The loop on a real cluster: promoted up to the pin, declined, with a pod killed, and with bad parameters."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from .nodes import attempts, node_called, phase, story
from .rendered import ROOT, environment_values

APPROVER = "ctp e2e"


def state(cluster):
    return cluster.ctp_json("e2e-status", "status")


def outputs(workflow, display_name):
    return {item["name"]: item.get("value") for item in node_called(workflow, display_name)["outputs"]["parameters"]}


@pytest.mark.skipif(shutil.which("argo") is None, reason="no argo CLI on PATH: argo lint is left to whoever has it")
def test_argo_lints_every_rendered_file():
    for rendering in sorted(path.name for path in (ROOT / "workflows" / "rendered").iterdir()):
        folder = ROOT / "workflows" / "rendered" / rendering
        done = subprocess.run(["argo", "lint", "--offline", str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_two_approvals_lead_to_a_new_pin(cluster):
    before = state(cluster)
    name = cluster.submit("continuous-training")

    waiting = cluster.wait_for(name, "approve-train")
    shown = {item["name"]: item.get("value") for item in node_called(waiting, "approve-train")["inputs"]["parameters"]}
    assert len(shown["curate-digest"]) == 64, "the approver must see what they approve"
    cluster.decide(name, "approve-train", approve="yes", reason="e2e", approver=APPROVER)

    cluster.wait_for(name, "approve-deploy")
    cluster.decide(name, "approve-deploy", approve="yes", reason="e2e", approver=APPROVER)
    ended = cluster.wait_ended(name)
    assert phase(ended) == "Succeeded", story(ended)

    after = state(cluster)
    model = outputs(ended, "register")["model"]
    assert after["candidate"] == model == after["pinned"] != before["pinned"]
    assert after["champion"] == before["champion"], "only a healthy rollout promotes"
    assert min(after["rows"][table] for table in ("traces", "labels", "datasets")) > 0
    assert outputs(ended, "govern")["traces"] and int(outputs(ended, "govern")["written"]) == after["rows"]["traces"]
    said = [record for record in after["records"] if record["stage"].startswith("approve-") and record["payload"]["by"] == APPROVER]
    assert len(said) == 2, f"both decisions must be on record: {after['records']}"
    assert all(record["run_id"] == ended["metadata"]["uid"] for record in said)


def test_a_no_ends_as_failed_and_rejected(cluster):
    """Without new traces as well: a fan-out over nothing must not stop the run."""
    before = state(cluster)
    name = cluster.submit("continuous-training")
    cluster.wait_for(name, "approve-train")
    cluster.decide(name, "approve-train", approve="no", reason="not today", approver=APPROVER)
    ended = cluster.wait_ended(name)
    assert phase(ended) == "Failed", story(ended)
    declined = {item["name"]: item.get("value") for item in node_called(ended, "rejected-approve-train")["inputs"]["parameters"]}
    assert declined["reason"] == "not today" and declined["by"] == APPROVER
    assert "exit code 65" in story(ended), story(ended)
    for template in ("train", "gate", "register", "release"):
        assert not attempts(ended, template), f"{template} ran after a no"
    assert len(attempts(ended, "reject")) == 1, "a rejection is not tried again"
    after = state(cluster)
    assert (after["pinned"], after["candidate"]) == (before["pinned"], before["candidate"])


def test_resuming_without_an_answer_means_no(cluster):
    name = cluster.submit("continuous-training")
    cluster.wait_for(name, "approve-train")
    cluster.decide(name, "approve-train")
    ended = cluster.wait_ended(name)
    assert phase(ended) == "Failed" and not attempts(ended, "train"), story(ended)


def test_a_killed_shard_is_retried_alone(cluster):
    folder = environment_values("kind")["pipeline"]["ingest"]["sources"][0]
    asked = cluster.ctp_json("e2e-traffic", "traffic", f"--to={folder}/second", "--name=second")
    before = state(cluster)["rows"]["traces"]
    name = cluster.submit("trace-ingest")
    pod, uid = cluster.kill_pod(name, "govern-shard")
    ended = cluster.wait_ended(name)
    assert phase(ended) == "Succeeded", story(ended)
    tries = [node["phase"] for node in attempts(ended, "govern-shard")]
    # A pod that lives less long than the controller takes to look is made again under its name, and no attempt is lost.
    made_again = cluster.pod_uid(pod) not in ("", uid)
    assert "Succeeded" in tries and (made_again or set(tries) - {"Succeeded"}), f"another pod must have done the work: {tries}"
    assert len(attempts(ended, "govern-commit")) == 1
    added = state(cluster)["rows"]["traces"] - before
    assert 0 < added <= asked["answered"], "every trace once"


@pytest.mark.parametrize("bad", [{"window-days": "100000"}, {"method": "ppo"}, {"base-model": "/no/such/folder"}])
def test_bad_parameters_end_before_any_work(cluster, bad):
    from kubernetes.client.exceptions import ApiException

    try:
        name = cluster.submit("continuous-training", **bad)
    except ApiException as error:  # An admission policy may refuse it even earlier.
        assert error.status in (400, 422)
        return
    ended = cluster.wait_ended(name, 300)
    assert phase(ended) in ("Failed", "Error"), story(ended)
    assert not attempts(ended, "ingest"), "work began with bad parameters"
