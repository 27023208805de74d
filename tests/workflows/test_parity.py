"""One loop as data, and two interpreters that know no node by its name."""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from steps.contract.catalog import ALL_STEPS, find_step
from steps.contract.nodes import Approval, Choice, FanOut, Step, Wait, steps_of
from steps.contract.pipeline import LOOP
from steps.contract.workflows import WORKFLOWS, find_workflow
from steps.laptop.interpreter import Interpreter

from .rendered import RENDERINGS, ROOT, before, parameters, tasks, templates, workflow_templates
from .test_release import walk

# Names that also mean something else: traffic, node pools, a field of the approval's form, a consent, a configuration key.
OTHERWISE = {
    "workflows/environment.py": {"train", "gate"},
    "workflows/templates.py": {"approve"},
    "steps/laptop/people.py": {"train"},
    "steps/laptop/command.py": {"train"},
}
INTERPRETERS = sorted(
    path for folder in ("workflows", "steps/laptop") for path in (ROOT / folder).rglob("*.py") if "generate" not in path.parts
)


def texts(path: Path) -> set[str]:
    """Text constants of a module, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, documented) and node.body)
    docstrings = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return {node.value for node in constants if isinstance(node.value, str)}


@pytest.mark.parametrize("path", INTERPRETERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_interpreter_knows_a_node_by_its_name(path):
    names = {node.name for node in LOOP} | {spec.name for spec in ALL_STEPS}
    assert not texts(path) & names - OTHERWISE.get(path.relative_to(ROOT).as_posix(), set()) - {"canary"}


def test_every_step_of_the_loop_is_in_the_catalog_and_every_step_there_is_used():
    used = {name for workflow in WORKFLOWS for name in steps_of(workflow.nodes)} | {workflow.exit.step for workflow in WORKFLOWS}
    assert used == {spec.name for spec in ALL_STEPS if spec.account}
    for name in used:
        find_step(name).load()


def test_nodes_of_the_loop_are_of_five_kinds_and_stand_after_what_they_need():
    assert {type(node) for node in LOOP} == {Step, FanOut, Approval, Choice, Wait}
    for number, node in enumerate(LOOP):
        assert set(node.needs) <= {earlier.name for earlier in LOOP[:number]}, node.name


@pytest.mark.parametrize("environment", RENDERINGS)
def test_every_node_is_rendered_where_it_may_run(environment):
    main = tasks(templates(environment, "continuous-training")["main"])
    for node in find_workflow("continuous-training").nodes:
        if isinstance(node, Choice) and node.passes:
            assert node.otherwise.name in main
        elif "argo" in node.places:
            assert node.name in main and (not isinstance(node, Approval) or {node.record_name, node.rejected.name} <= main.keys())
            assert node.name in ("check-params", "resolve") or {"check-params", "resolve"} <= before(main, node.name)
        else:
            assert node.name not in main


@dataclass
class Dry(Interpreter):
    """Walks nodes on results that are given; runs no step."""

    outcome: dict = None

    def _work(self, node):
        return self.outcome.get(node.name, {"phase": "Successful", "trainer": "trl"})

    def _end(self, node):
        return False


class Nowhere:
    """Surroundings of a dry run."""

    def measure(self, node, work):
        return work()

    def finished(self, node):
        pass


@pytest.mark.parametrize("environment", RENDERINGS)
def test_both_interpreters_reach_the_same_nodes(environment):
    main = templates(environment, "continuous-training")["main"]
    nodes = tuple(node for node in find_workflow("continuous-training").at("argo") if not (isinstance(node, Choice) and node.passes))
    phases, answers = ("Successful", "Failed", "Inconclusive"), ("yes", "no")
    for curate, estimate, gate, train, deploy in itertools.product(phases[:2], phases[:2], phases, answers, answers):
        states = walk(main, curate=curate, estimate=estimate, gate=gate, train_answer=train, deploy_answer=deploy)
        outcome = {name: {"phase": phase} for name, phase in (("curate", curate), ("estimate", estimate), ("gate", gate))}
        decisions = {"approve-train": train, "approve-deploy": deploy}
        outcome |= {name: {"decision": "approved" if said == "yes" else "rejected"} for name, said in decisions.items()}
        results: dict = {}
        Dry(find_workflow("continuous-training").at("argo"), results, Nowhere(), {}, outcome=outcome).run()
        assert results.keys() == {node.name for node in nodes if states[node.name] == "Succeeded"}


def test_a_decision_is_bound_to_the_content_that_is_used():
    all_tasks = tasks(templates("eks", "continuous-training")["main"])
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
    for environment in RENDERINGS:
        assert names <= workflow_templates(environment).keys() == {workflow.name for workflow in WORKFLOWS}
