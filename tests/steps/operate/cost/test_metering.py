"""A Workflow's own accounting becomes dollars; what nobody counted is an upper bound and says so."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest
import yaml

from steps.contract.config import CostConfig
from steps.contract.errors import DataError
from steps.operate.cost.metering import gpus_elsewhere, meter_local, meter_workflow, quantity, requests_of

from .workflow_object import pod, released, workflow

COST = CostConfig(cpu_core_hour_usd=1.0, memory_gib_hour_usd=0.1)


def metered(nodes, cost=COST, **status):
    return {use.id: use for use in meter_workflow(workflow(nodes, **status), cost)}


def test_every_finished_pod_is_counted_once_and_the_one_that_meters_is_not():
    found = metered(released())
    assert set(found) == {"label-0", "label-1", "train-0", "gate-0", "register-0", "release-0"}


def test_cores_and_memory_are_what_argo_counted():
    use = metered(released())["label-1"]
    # 4 GiB for an hour: 147456 units of 100 MiB for a second.
    assert (use.cpu_core_s, use.memory_gib_s, use.gpu_s, use.metered) == (3600, 14400, 0, True)
    assert use.usd == pytest.approx(1.0 + 4 * 0.1)


def test_gpus_pay_whole_machines():
    found = metered(released())
    train, gate = found["train-0"], found["gate-0"]
    assert (train.seconds, train.gpu_s) == (7200, 57600) and train.usd == pytest.approx(2 * 63.296)
    assert gate.seconds == 1800 and gate.usd == pytest.approx(0.5 * 4.6016)


def test_a_pod_that_vanished_is_an_upper_bound():
    use = metered(released())["label-0"]
    assert not use.metered and use.seconds == 1800
    assert use.usd == pytest.approx(0.5 * (1.0 + 4 * 0.1))
    lost = metered({"a": pod("train", 60, None, phase="Failed")})["a"]
    assert (lost.metered, lost.gpu_s) == (False, 8 * 3600) and lost.usd == pytest.approx(63.296)


def test_gpus_that_work_elsewhere_are_counted_by_the_pod_that_waits():
    use = metered({"w": pod("rayjob-wait", 300, {"cpu": 1800, "memory": 100}, inputs={"gpus": "24"})})["w"]
    assert (use.stage, use.metered, use.gpu_s) == ("train", False, 24 * 18000)
    assert use.usd == pytest.approx(5 * 3 * 63.296)


@pytest.mark.parametrize("inputs", [None, {"gpus": "many"}])
def test_a_wait_that_does_not_say_for_how_many_gpus_is_not_metered_as_none(inputs):
    with pytest.raises(DataError, match="rayjob-wait: ctp/gpus-elsewhere"):
        metered({"w": pod("rayjob-wait", 300, None, inputs=inputs)})


def test_the_rendered_template_names_the_input_that_says_how_many_gpus_work_elsewhere():
    path = Path(__file__).parents[4] / "workflows" / "rendered" / "eks" / "workflowtemplate-continuous-training.yaml"
    templates = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["templates"]
    node = pod("rayjob-wait", 1, None, inputs={"gpus": "24"})
    assert {item["name"]: gpus for item in templates if (gpus := gpus_elsewhere(item, node))} == {"rayjob-wait": 24}


def test_compressed_nodes_are_unpacked_and_offloaded_ones_are_not_guessed():
    packed = base64.b64encode(gzip.compress(json.dumps(released()).encode())).decode()
    assert metered({}, compressedNodes=packed) == metered(released())
    with pytest.raises(DataError, match="controller's database"):
        metered({}, offloadNodeStatusVersion="fnv:1")
    with pytest.raises(DataError, match="no Workflow"):
        meter_workflow({"kind": "Pod"}, COST)


@pytest.mark.parametrize(("text", "number"), [("250m", 0.25), ("24", 24), (2, 2), ("1.5", 1.5), ("8Gi", 8 * 2**30), ("100Mi", 100 * 2**20)])
def test_quantities(text, number):
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "x", "1Xi", "Gi"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(DataError, match="no Kubernetes quantity"):
        quantity(text)


def test_without_requests_argos_own_defaults_count():
    assert requests_of({"container": {}}) == (0.1, 100 / 1024, 0)


def test_a_local_run_pays_the_cores_that_it_kept_busy_at_least_one():
    cost = CostConfig(cpu_core_hour_usd=3.6)
    found = {use.stage: use for use in meter_local({"label": 100.0, "gate": 100.0}, {"label": 250.0, "gate": 20.0}, cost)}
    assert {stage: use.usd for stage, use in found.items()} == pytest.approx({"label": 0.25, "gate": 0.1})
    gpu = CostConfig(train_gpus=8, train_step_s={"trl": {"dpo": 1.0, "grpo": 1.0}})
    (train,) = meter_local({"train": 3600.0}, {}, gpu)
    assert train.usd == pytest.approx(63.296) and train.gpu_s == 8 * 3600
