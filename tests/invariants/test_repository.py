"""Rules of the house that a reviewer should not have to check."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from steps.contract.catalog import ALL_STEPS, find_step
from steps.contract.config import PipelineConfig
from steps.contract.nodes import Approval, Choice, FanOut, Step, Wait
from steps.contract.workflows import WORKFLOWS
from workflows.environment import Workflows

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("steps", "bench", "tests", "tools", "workflows") for path in (ROOT / folder).rglob("*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The packages that may be imported inside functions alone, so that loading a module loads none of them.
HEAVY = tuple(PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_small(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines: split it"


def test_no_vague_module_names():
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert not [path for path in SOURCES if path.stem in vague or vague & set(path.parts)]


def test_no_switched_off_code():
    marks = re.compile(r"raise NotImplementedError|\bTODO\b|\bFIXME\b|pragma: no cover|mark\.xfail")
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        if path != here
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not found


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module", ["steps.cli.main", "steps.contract.catalog", "steps.contract.pipeline", "steps.contract.config", "steps.contract.runtime"]
)
def test_light_modules_import_nothing_heavy(module):
    loaded = run_python(f"import sys, {module}; print(' '.join(sorted(m for m in {HEAVY!r} if m in sys.modules)))")
    assert loaded == "", f"importing {module} loads {loaded}"


def step_modules():
    from steps.contract.catalog import ALL_STEPS

    return [spec.module for spec in ALL_STEPS]


@pytest.mark.parametrize("module", step_modules())
def test_loading_a_step_imports_nothing_heavy(module):
    loaded = run_python(f"import sys, {module}; print(' '.join(sorted(m for m in {HEAVY!r} if m in sys.modules)))")
    assert loaded == "", f"importing {module} loads {loaded}"


def test_help_is_quick():
    best = 9.0
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "steps.cli.main", "--help"], capture_output=True, check=True, cwd=ROOT)
        best = min(best, time.perf_counter() - began)
    assert best < 0.5, f"ctp --help took {best:.2f} s at best"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)
def test_nodes_give_steps_what_they_take_and_read_what_steps_give(workflow):
    known = {}

    def check_step(step, inner):
        params, result, _ = find_step(step.step).load()
        assert step.inputs.keys() <= params.model_fields.keys(), f"{step.name} binds a parameter its step does not have"
        required = {name for name, field in params.model_fields.items() if field.is_required()}
        assert required <= step.inputs.keys(), f"{step.name} leaves {required - step.inputs.keys()} unbound"
        for source in step.inputs.values():
            check_source(source, inner)
        return result.model_fields.keys()

    def check_source(source, inner=None):
        origin, _, name = workflow.stands_for.get(source, source).partition(".")
        if source.startswith("=") or origin in ("run", "item"):
            return
        fields = inner["in"] if inner and origin == "in" else (inner or known)[origin]
        assert name in fields, f"{source}: there is no such value"

    for node in workflow.nodes:
        sources = [condition.source for condition in node.when]
        match node:
            case Step():
                known[node.name] = check_step(node, None)
            case FanOut():
                sources += node.inputs.values()
                inner = {"in": node.inputs.keys()}
                for step in node.steps:
                    inner[step.name] = check_step(step, inner)
                check_source(node.items, inner)
                known[node.name] = inner[node.commit.name]
            case Approval():
                sources += [item.source for item in node.shows] + [node.binds] + ([node.model] if node.model else [])
                known[node.name] = find_step(node.record).load()[1].model_fields.keys()
                check_step(node.rejected, None)
            case Choice():
                sources += [node.on, *node.inputs.values()]
                if node.otherwise:
                    check_step(node.otherwise, None)
                for case in node.cases.values():
                    inner = {"in": node.inputs.keys()}
                    for inside in case.nodes:
                        inner[inside.name] = check_step(inside, inner) if isinstance(inside, Step) else ()
                        known[node.name] = inner[inside.name]
            case Wait():
                sources += node.inputs.values()
                known[node.name] = ("rollout", "restored")
        for source in sources:
            check_source(source)


def test_only_the_stages_that_compute_install_torch():
    extras = PYPROJECT["project"]["optional-dependencies"]

    def packages(extra: str) -> set[str]:
        found: set[str] = set()
        for requirement in extras[extra]:
            own = re.match(r"continuous-training-pipeline\[([\w,-]+)\]", requirement)
            found |= set().union(*map(packages, own[1].split(","))) if own else {re.split(r"[\[<>=;~ ]", requirement)[0]}
        return found

    for extra in ("lake", "ingest", "label", "gate", "registry", "gateway", "report"):
        assert not packages(extra) & {"torch", "transformers", "trl"}, f"the extra {extra} brings torch"
    assert {"torch", "trl"} <= packages("train") <= packages("local")


def fields_of(model, path=""):
    """(path, field) of every field of a model that is no model itself, nested ones included."""
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not inner:
            yield f"{path}{name}", field
        for kind in inner:
            yield from fields_of(kind, f"{path}{name}.")


@pytest.mark.parametrize("spec", ALL_STEPS, ids=lambda spec: spec.name)
def test_every_parameter_and_result_is_described(spec):
    params, result, _ = spec.load()
    for model in (params, result):
        assert not [name for name, field in model.model_fields.items() if not field.description], model


@pytest.mark.parametrize("model", [PipelineConfig, Workflows])
def test_every_configuration_key_is_described(model):
    assert not [path for path, field in fields_of(model) if not field.description]
