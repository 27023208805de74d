"""The rendered DAG and the local runner walk the same pipeline."""

from __future__ import annotations

import itertools

import pytest

from steps.contract.pipeline import PIPELINE
from workflows.fanout import FAN_OUT, INSTEAD, INSTEAD_OF
from workflows.gate_servers import gate_urls
from workflows.generate.render import TEMPLATES
from workflows.nemo import EITHER

from .rendered import ENVIRONMENTS, before, environment_of, parameters, tasks, templates
from .test_release import walk

APPROVALS = {stage.name for stage in PIPELINE if stage.is_approval}
# Where the loop's own inputs come from in a workflow.
RUN = {
    **{name: f"{{{{tasks.check-params.outputs.parameters.{name}}}}}" for name in ("since", "until", "method", "trainer")},
    **{
        name: f"{{{{tasks.resolve.outputs.parameters.{name.replace('_', '-')}}}}}"
        for name in ("golden", "champion", "champion_artifact", "base")
    },
    "sources": "{{workflow.parameters.sources}}",
}


def bound(source: str, environment: str = "kind") -> str:
    origin, _, output = source.partition(".")
    if origin == "run":
        return (RUN | gate_urls(environment_of(environment)))[output]
    task = f"record-{origin}" if origin in APPROVALS else origin
    return f"{{{{tasks.{task}.outputs.parameters.{output.replace('_', '-')}}}}}"


def earlier(name: str) -> set[str]:
    """Stages on a way to a stage, in the pipeline."""
    stage = next(stage for stage in PIPELINE if stage.name == name)
    return set(stage.needs).union(*(earlier(need) for need in stage.needs)) if stage.needs else set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_reachability_agrees(environment):
    all_tasks = tasks(templates(environment, "continuous-training")["main"])
    names = {stage.name for stage in PIPELINE}
    assert names <= all_tasks.keys()
    for stage in PIPELINE:
        assert before(all_tasks, stage.name) & names == earlier(stage.name), stage.name
        assert {"check-params", "resolve"} <= before(all_tasks, stage.name), "parameters are checked before anything else"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_bindings_agree(environment):
    all_tasks = tasks(templates(environment, "continuous-training")["main"])
    for stage in PIPELINE:
        given = {name.replace("-", "_"): item["value"] for name, item in parameters(all_tasks[stage.name], "arguments").items()}
        if stage.is_approval:
            for source in stage.shows:
                assert given[source.replace(".", "_")] == bound(source)
            continue
        expected = {name: bound(source, environment) for name, source in stage.inputs.items()}
        if stage.name in INSTEAD_OF:
            replaced = stage.inputs[INSTEAD_OF[stage.name]].partition(".")[0]
            del expected[INSTEAD_OF[stage.name]]
            expected |= {name: bound(f"{replaced}.{output}") for name, output in INSTEAD[stage.name].items()}
        if all_tasks[stage.name]["template"] == EITHER:
            expected["trainer"] = bound("run.trainer")
        assert given == expected, stage.name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_steps_agree(environment):
    every = templates(environment, "continuous-training")
    for stage in PIPELINE:
        template = every[tasks(every["main"])[stage.name]["template"]]
        if stage.is_approval:
            assert "suspend" in template
        elif stage.name in FAN_OUT:
            assert {task["template"] for task in template["dag"]["tasks"]} == set(FAN_OUT[stage.name])
        elif template["name"] == EITHER:
            assert stage.step == "train" and environment != "kind"
            either = tasks(template)
            assert either["trl"]["template"] == stage.step and set(tasks(every[either["nemo"]["template"]])) >= {"prepare", "collect"}
        else:
            assert template["container"]["args"][:2] == ["step", stage.step]


def locally(outcome: dict[str, str]) -> set[str]:
    """Stages that the local runner reaches: `steps.laptop.runner._walk` on data."""
    reached = set()
    for stage in PIPELINE:
        if stage.when and outcome[stage.when.stage] != stage.when.equals:
            return reached
        reached.add(stage.name)
        if stage.is_approval and outcome[stage.name] != "yes":
            return reached
    return reached


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_conditions_agree(environment):
    main = templates(environment, "continuous-training")["main"]
    for curate, gate, train, deploy in itertools.product(
        ("Successful", "Failed"), ("Successful", "Failed", "Inconclusive"), ("yes", "no"), ("yes", "no")
    ):
        states = walk(main, curate=curate, gate=gate, train_answer=train, deploy_answer=deploy)
        reached = {stage.name for stage in PIPELINE if states[stage.name] == "Succeeded"}
        assert reached == locally({"curate": curate, "gate": gate, "approve-train": train, "approve-deploy": deploy})


def test_a_decision_is_bound_to_the_content_that_is_used():
    all_tasks = tasks(templates("production", "continuous-training")["main"])
    value = lambda task, name: parameters(all_tasks[task], "arguments")[name]["value"]  # noqa: E731
    assert value("record-approve-train", "digest") == "{{tasks.curate.outputs.parameters.digest}}"
    assert value("record-approve-deploy", "digest") == value("register", "model") == "{{tasks.train.outputs.parameters.model}}"
    # The registered files, wherever the model store has them: release compares their digest with the approved one.
    assert value("release", "artifact") == "{{tasks.register.outputs.parameters.artifact}}"
    for stage, record in (("train", "record-approve-train"), ("release", "record-approve-deploy")):
        assert value(stage, "approved-digest") == f"{{{{tasks.{record}.outputs.parameters.digest}}}}"


def test_every_workflow_of_the_design_is_rendered():
    names = {"continuous-training", "trace-ingest", "reward-label", "train-and-release", "backfill", "erase-user"}
    names |= {"table-maintenance", "reward-backtest", "release-reconcile"}
    from .rendered import workflow_templates

    for environment in ENVIRONMENTS:
        assert names <= workflow_templates(environment).keys() and len(workflow_templates(environment)) == len(TEMPLATES)
