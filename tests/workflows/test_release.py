"""A failed or undecided gate never reaches release, whatever anybody answers, types or breaks."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from steps.operate.approval.approve import Params as Approve

from . import dag
from .rendered import RENDERINGS, templates

PHASES = ("Successful", "Failed", "Inconclusive", "Error", "Rejected", "successful", "")
# What a person may type into an approval: the two answers, nothing, and attempts to be clever.
ANSWERS = ("yes", "no", "", "YES", "approved", "yes' == 'yes", "{{tasks.gate.outputs.parameters.phase}}")
DIGEST = "a" * 64
LOOPS = [(environment, name) for environment in RENDERINGS for name in ("continuous-training", "train-and-release")]


def decide(answer: str, approval: str) -> dag.Ends:
    """How the step `approve` ends, by its own parameters' rules."""
    try:
        given = Approve(stage=approval, decision=answer, digest=DIGEST, approver="somebody")
    except ValidationError:
        return "Failed", {}
    return "Succeeded", {"decision": "approved" if given.decision == "yes" else "rejected"}


def walk(template, *, curate="Successful", estimate="Successful", gate="Successful", train_answer="yes", deploy_answer="yes", broken=()):
    def end(name, task):
        if name in broken:
            return broken[name], {}
        if name in ("record-approve-train", "record-approve-deploy"):
            approval = name.removeprefix("record-")
            return decide(train_answer if approval == "approve-train" else deploy_answer, approval)
        if task["template"] == "reject":
            return "Failed", {}
        phases = {"curate": curate, "estimate": estimate, "gate": gate}
        return "Succeeded", {"phase": phases[name]} if name in phases else {}

    return dag.run(template, end)


@pytest.mark.parametrize(("environment", "workflow"), LOOPS)
def test_release_needs_the_gate_and_both_people(environment, workflow):
    main = templates(environment, workflow)["main"]
    for gate, train, deploy in itertools.product(PHASES, ANSWERS, ANSWERS):
        states = walk(main, gate=gate, train_answer=train, deploy_answer=deploy)
        allowed = gate == "Successful" and train == deploy == "yes"
        assert (states["release"] == "Succeeded") == allowed, (gate, train, deploy, states)
        assert (states["register"] == "Succeeded") == (gate == "Successful" and train == "yes")
        assert (states["train"] == "Succeeded") == (train == "yes")


@pytest.mark.parametrize(("environment", "workflow"), LOOPS)
def test_whatever_ends_a_run_early_shows_as_failed(environment, workflow):
    main = templates(environment, workflow)["main"]
    cases = [({"curate": "Failed"}, "curate"), ({"estimate": "Failed"}, "estimate"), ({"train_answer": "no"}, "approve-train")]
    cases += [({"gate": phase}, "gate") for phase in PHASES if phase != "Successful"] + [({"deploy_answer": "no"}, "approve-deploy")]
    for change, stage in cases:
        states = walk(main, **change)
        assert states[f"rejected-{stage}"] == "Failed", change
        assert [name for name, state in states.items() if state == "Failed"] == [f"rejected-{stage}"]
        assert states["release"] in ("Skipped", "Omitted")
    assert "Failed" not in walk(main).values()


@pytest.mark.parametrize(("environment", "workflow"), LOOPS)
def test_a_task_that_ends_otherwise_stops_the_run(environment, workflow):
    main = templates(environment, workflow)["main"]
    way = [name for name in dag.tasks(main) if not name.startswith("rejected-") and name != "release"]
    for name, state in itertools.product(way, ("Failed", "Errored", "Skipped", "Omitted")):
        assert walk(main, broken={name: state})["release"] in ("Skipped", "Omitted"), (name, state)


@pytest.mark.parametrize(("environment", "workflow"), LOOPS)
@pytest.mark.parametrize("task", ["register", "approve-deploy", "record-approve-deploy", "release"])
def test_the_conditions_hold_even_without_the_edges(environment, workflow, task):
    """Were the edges lost, the task's own condition would still stop it, or have nothing to read."""
    when = dag.tasks(templates(environment, workflow)["main"])[task]["when"]
    good = {"curate": {"phase": "Successful"}, "estimate": {"phase": "Successful"}, "gate": {"phase": "Successful"}}
    good |= {"record-approve-train": {"decision": "approved"}, "record-approve-deploy": {"decision": "approved"}}
    assert dag.is_true(when, good)
    conditions = ["gate", "record-approve-train", *(["record-approve-deploy"] if task == "release" else [])]
    for name in conditions:
        for value in (*PHASES[1:], "rejected", "no"):
            assert not dag.is_true(when, good | {name: dict.fromkeys(good[name], value)}), (name, value)
        with pytest.raises(dag.Unresolved):
            dag.is_true(when, {key: value for key, value in good.items() if key != name})


@pytest.mark.parametrize(("environment", "workflow"), LOOPS)
def test_no_condition_reads_what_a_person_typed(environment, workflow):
    from typing import get_args

    from steps.contract.catalog import find_step

    every = templates(environment, workflow)
    for task in dag.tasks(every["main"]).values():
        for origin, field in dag.re.findall(r"\{\{tasks\.([\w-]+)\.outputs\.parameters\.([\w-]+)\}\}", task.get("when", "")):
            step = every[dag.tasks(every["main"])[origin]["template"]]["name"]
            words = get_args(find_step(step).load()[1].model_fields[field.replace("-", "_")].annotation)
            assert words and all(isinstance(word, str) and "'" not in word for word in words), (
                f"{task['name']} reads {origin}.{field}, which is free text"
            )
        assert "workflow.parameters" not in task.get("when", "")


def test_the_evaluator_itself():
    states = {"a": "Succeeded", "b": "Skipped"}
    assert dag.holds("a.Succeeded && (b.Succeeded || b.Skipped)", states) and not dag.holds("a.Succeeded && b.Succeeded", states)
    assert dag.holds("!b.Succeeded", states) and dag.holds("", states)
    assert dag.is_true("'{{tasks.a.outputs.parameters.x}}' == 'y'", {"a": {"x": "y"}})
    with pytest.raises(dag.Unresolved):
        dag.is_true("'{{tasks.a.outputs.parameters.x}}' == 'y'", {})
