"""Every parameter and output that one node takes from another exists."""

from __future__ import annotations

import json
import re

import pytest

from steps.label.label_plan import Shard

from .rendered import EVERY_WORKFLOW, before, needed_by, parameters, references, tasks, templates, workflow_templates

GLOBAL = {"workflow.uid", "workflow.name"}
AT_EXIT = {"workflow.status", "workflow.duration", "workflow.failures", "workflow.namespace"}
OF_A_METRIC = {"status", "duration"}


def resolves(tag: str, *, task, every, all_tasks, template, declared) -> bool:
    if tag in GLOBAL or (tag in AT_EXIT and template["name"] == "on-exit"):
        return True
    if match := re.fullmatch(r"workflow\.parameters\.([\w-]+)", tag):
        return match[1] in declared
    if match := re.fullmatch(r"inputs\.parameters\.([\w-]+)", tag):
        return match[1] in parameters(template, "inputs")
    if match := re.fullmatch(r"tasks\.([\w-]+)\.outputs\.parameters\.([\w-]+)", tag):
        origin = match[1]
        never_skipped = f"{origin}.Skipped" not in task.get("depends", "")
        return (
            origin in before(all_tasks, task["name"])
            and match[2] in parameters(every[all_tasks[origin]["template"]], "outputs")
            and never_skipped
        )
    if tag == "item":
        return "withParam" in task
    if match := re.fullmatch(r"item\.([\w-]+)", tag):
        return "withParam" in task and match[1] in Shard.model_fields
    return False


@pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
def test_every_task_takes_what_exists_and_gives_what_is_needed(environment, workflow):
    every = templates(environment, workflow)
    declared = parameters(workflow_templates(environment)[workflow]["spec"], "arguments").keys()
    for template in every.values():
        all_tasks = tasks(template) if "dag" in template else {}
        for task in all_tasks.values():
            assert needed_by(task) <= all_tasks.keys() - {task["name"]}
            for tag in references(task):
                assert resolves(tag, task=task, every=every, all_tasks=all_tasks, template=template, declared=declared), (
                    f"{task['name']}: {{{{{tag}}}}}"
                )
            inputs = parameters(every[task["template"]], "inputs")
            given = parameters(task, "arguments").keys()
            required = {name for name, item in inputs.items() if "default" not in item and "value" not in item}
            assert required <= given <= inputs.keys(), f"{task['name']} gives {sorted(given)}, {task['template']} wants {sorted(required)}"


@pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
def test_every_template_reads_its_own_inputs_and_metrics(environment, workflow):
    for template in templates(environment, workflow).values():
        inputs = parameters(template, "inputs")
        if "dag" in template:
            for item in parameters(template, "outputs").values():
                if "expression" in item["valueFrom"]:
                    # tests/workflows/test_nemo.py evaluates it.
                    continue
                origin, name = re.fullmatch(
                    r"\{\{tasks\.([\w-]+)\.outputs\.parameters\.([\w-]+)\}\}", item["valueFrom"]["parameter"]
                ).groups()
                assert name in parameters(templates(environment, workflow)[tasks(template)[origin]["template"]], "outputs")
            continue
        read = {tag for tag in references([template.get(kind, {}) for kind in ("container", "resource", "metadata")]) if tag not in GLOBAL}
        if "resource" in template:
            read.discard("workflow.parameters.config")
        assert read <= {f"inputs.parameters.{name}" for name in inputs}, template["name"]
        if "suspend" not in template:
            assert read == {f"inputs.parameters.{name}" for name in inputs}, f"{template['name']} does not use {inputs.keys()}"
        outputs = {f"outputs.parameters.{name}" for name in parameters(template, "outputs")}
        assert set(references(template.get("metrics", {}))) <= OF_A_METRIC | outputs


@pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
def test_everything_is_used_and_the_entry_points_exist(environment, workflow):
    spec = workflow_templates(environment)[workflow]["spec"]
    every = templates(environment, workflow)
    used = {spec["entrypoint"], spec["onExit"]} | {
        task["template"] for template in every.values() if "dag" in template for task in template["dag"]["tasks"]
    }
    assert used == every.keys()
    assert set(parameters(spec, "arguments")) == {
        tag.removeprefix("workflow.parameters.") for tag in references(spec) if tag.startswith("workflow.parameters.")
    }


@pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
def test_parameters_are_described_and_defaulted(environment, workflow):
    for name, item in parameters(workflow_templates(environment)[workflow]["spec"], "arguments").items():
        assert len(item["description"]) > 10, name
        assert "value" not in item or not item.get("enum") or item["value"] in item["enum"], name
        asked = {"backfill": {"since", "until"}, "erase-user": {"user-hash", "requested-by"}, "reward-backtest": {"policy"}}
        assert ("value" in item) == (name not in asked.get(workflow, set())), f"{name}: only what nobody can guess has no default"


def test_the_parameters_of_the_loop():
    given = parameters(workflow_templates("eks")["continuous-training"]["spec"], "arguments")
    assert {"window-days", "method", "trainer", "base-model", "max-cost-usd", "config"} <= given.keys()
    assert given["method"]["enum"] == ["dpo", "grpo"] and given["trainer"]["enum"] == ["trl", "nemo-rl"]
    kind = parameters(workflow_templates("kind")["continuous-training"]["spec"], "arguments")
    assert kind["trainer"]["enum"] == ["trl"], "no GPU, no nodes"


@pytest.mark.parametrize("approval", ["approve-train", "approve-deploy"])
@pytest.mark.parametrize("workflow", ["continuous-training", "train-and-release"])
def test_an_approval_shows_what_is_approved_and_takes_an_answer(workflow, approval):
    template = templates("eks", workflow)[approval]
    inputs, outputs = parameters(template, "inputs"), parameters(template, "outputs")
    assert template["suspend"] == {}, "with a duration Argo would approve by itself"
    assert inputs["approve"]["enum"] == ["yes", "no"] and inputs["approve"]["default"] == "no"
    assert outputs.keys() == {"approve", "reason", "approver"} <= inputs.keys()
    assert all(item["valueFrom"]["supplied"] == {} for item in outputs.values()) and outputs["approve"]["valueFrom"]["default"] == "no"
    shown = {
        "approve-train": {"curate-digest", "curate-snapshot-id", "curate-pairs", "config-hash", "estimated-usd", "estimated-gpu-hours"}
    }
    shown["approve-deploy"] = {"gate-phase", "gate-reason", "metrics", "artifact", "register-model"}
    assert shown[approval] <= inputs.keys() and all(item["description"] for item in inputs.values())


@pytest.mark.parametrize("approval", ["approve-train", "approve-deploy"])
def test_what_was_shown_is_recorded_as_json(approval):
    """Only texts without quotation marks, and metrics that are JSON already, are put between ours."""
    text = parameters(tasks(templates("eks", "continuous-training")["main"])[f"record-{approval}"], "arguments")["shown"]["value"]
    metrics = '{"faithfulness":{"ci95":[0.01,0.09]}}'
    filled = re.sub(
        r"\{\{tasks\.([\w-]+)\.outputs\.parameters\.([\w-]+)\}\}", lambda match: metrics if match[2] == "metrics" else "x", text
    )
    assert len(json.loads(filled)) >= 5
    assert not re.search(r"parameters\.reason", text)
