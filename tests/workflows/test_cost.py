"""The budget ends a run before a GPU starts, and what a run cost becomes metrics."""

from __future__ import annotations

import re

import pytest
import yaml

from steps.contract.catalog import find_step
from steps.contract.step_metrics import OF_A_MONTH, OF_A_QUARTER, OF_A_RUN
from workflows.environment import ENVIRONMENTS, load_environment

from .processes import Cluster
from .rendered import EVERY_WORKFLOW, RENDERINGS, before, cron_workflows, parameters, tasks, templates
from .test_release import LOOPS, walk


@pytest.mark.parametrize(("environment", "workflow"), LOOPS)
def test_a_refused_estimate_starts_nothing_but_the_rejection(environment, workflow):
    main = templates(environment, workflow)["main"]
    for phase in ("Failed", "Error", ""):
        states = walk(main, estimate=phase)
        after = {name for name in tasks(main) if "estimate" in before(tasks(main), name)}
        assert {"approve-train", "train", "gate", "register", "release"} <= after
        assert {name for name in after if states[name] not in ("Skipped", "Omitted")} == {"rejected-estimate"}
        assert states["rejected-estimate"] == "Failed"
    for lost in ("Failed", "Errored", "Skipped", "Omitted"):
        states = walk(main, broken={"estimate": lost})
        assert states["train"] in ("Skipped", "Omitted") and states["approve-train"] in ("Skipped", "Omitted")


@pytest.mark.parametrize(("environment", "workflow"), LOOPS)
def test_the_estimate_is_of_what_would_be_trained(environment, workflow):
    every = tasks(templates(environment, workflow)["main"])
    given = {name: item["value"] for name, item in parameters(every["estimate"], "arguments").items()}
    assert given["max-cost-usd"] == "{{workflow.parameters.max-cost-usd}}"
    assert given["trainer"] == "{{tasks.check-params.outputs.parameters.trainer}}"
    assert given["pairs"] == "{{tasks.curate.outputs.parameters.pairs}}"


@pytest.mark.parametrize("limit", ["monthly_usd_limit", "monthly_gpu_hours_limit"])
def test_the_rendered_pod_refuses_above_the_months_ceiling(tmp_path, limit):
    (tmp_path / "etc").mkdir()
    cost = {limit: 0.001, "train_gpus": 8, "train_step_s": {"trl": {"dpo": 30, "grpo": 30}}}
    (tmp_path / "etc" / "config.yaml").write_text(yaml.safe_dump({"pipeline": {"cost": cost}}))
    cluster = Cluster(tmp_path, templates("kind", "continuous-training"), {"max-cost-usd": "0"})
    state, outputs = cluster.run("estimate", {"pairs": "500", "method": "dpo", "trainer": "trl", "max-cost-usd": "0"})
    assert state == "Succeeded", cluster.failed
    assert outputs["phase"] == "Failed" and f"cost.{limit}" in outputs["reason"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_ceilings_and_sizes_of_an_environment(environment):
    env = load_environment(environment)
    cost = env.pipeline.cost
    assert cost.train_gpus == env.workflows.compute.train.gpus, "the estimate is of the pod that trains"
    assert (cost.monthly_usd_limit > 0 and cost.monthly_gpu_hours_limit > 0) == (environment != "kind")
    if env.offers_nemo:
        assert cost.train_step_s["nemo-rl"].keys() == {"dpo", "grpo"}
    gate = cost.instances[cost.machines["gate"].instance]
    sizes = env.workflows.compute
    servers = 2 * sizes.gate_server.gpus if env.serving.engine == "vllm" else 0
    assert gate.gpus >= sizes.gate.gpus + servers, "a pod does not span machines"


@pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
def test_the_end_of_a_workflow_shows_its_cost(environment, workflow):
    every = templates(environment, workflow)
    record = every["record-outcome"]
    found = [
        item
        for item in record["metrics"]["prometheus"]
        if item["name"].startswith(("ctp_run_", "ctp_cost_", "ctp_month_", "ctp_stage_cost"))
    ]
    namespace = parameters(tasks(every["on-exit"])["record-outcome"], "arguments")["namespace"]["value"]
    if workflow == "release-reconcile":
        assert not found and namespace == "", "every few minutes nothing worth a record"
        return
    assert namespace == "{{workflow.namespace}}"
    assert [item["name"] for item in found] == [item.name for item in (*OF_A_RUN, *OF_A_MONTH)]
    keys = {(item["name"], tuple(sorted((label["key"], label["value"]) for label in item.get("labels", [])))) for item in found}
    assert len(keys) == len(found), "a series is set once"
    for item in found:
        labels = {label["key"]: label["value"] for label in item.get("labels", [])}
        assert labels.get("workflow") == (None if item["name"] in {month.name for month in OF_A_MONTH} else workflow)
        assert item["when"] == "{{outputs.parameters.metered}} == true", "what was not metered is no zero"
    # Prometheus wants the same labels wherever a name is used.
    for name in {item["name"] for item in found}:
        assert len({tuple(sorted(label["key"] for label in item.get("labels", []))) for item in found if item["name"] == name}) == 1


def test_metrics_show_fields_of_the_results():
    for step, metrics in (("record-outcome", (*OF_A_RUN, *OF_A_MONTH)), ("cost-review", OF_A_QUARTER)):
        fields = find_step(step).load()[1].model_fields
        assert {item.field for item in metrics} <= fields.keys()
        assert all(re.fullmatch(r"ctp_[a-z_]+", item.name) and item.help for item in metrics)


@pytest.mark.parametrize("environment", RENDERINGS)
def test_the_quarter_is_reviewed_on_its_first_day(environment):
    spec = cron_workflows(environment)["cost-review"]["spec"]
    assert spec["schedules"] == ["0 6 1 1,4,7,10 *"] and "when" not in spec
    review = templates(environment, "cost-review")["cost-review"]
    shown = {item["name"]: item for item in review["metrics"]["prometheus"] if item["name"] == "ctp_faithfulness_point_cost_usd"}
    assert shown and all(item["when"] == "{{outputs.parameters.priced}} == true" for item in shown.values())
