"""Rules of the house that a reviewer should not have to check."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("steps", "bench", "tests", "tools", "workflows") for path in (ROOT / folder).rglob("*.py"))
HEAVY = (
    "torch",
    "transformers",
    "trl",
    "datasets",
    "ragas",
    "mlflow",
    "pyiceberg",
    "pyarrow",
    "pandas",
    "aiohttp",
    "kubernetes",
    "boto3",
    "openai",
)


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


def test_pipeline_and_catalog_agree():
    from steps.contract.catalog import find_step
    from steps.contract.pipeline import PIPELINE

    seen = set()
    for stage in PIPELINE:
        assert set(stage.needs) <= seen, f"{stage.name} needs a stage that does not come before it"
        if not stage.is_approval:
            params, result, _ = find_step(stage.step).load()
            assert set(stage.inputs) <= set(params.model_fields), f"{stage.name} binds a parameter its step does not have"
            required = {name for name, field in params.model_fields.items() if field.is_required()}
            assert required <= set(stage.inputs), f"{stage.name} leaves {required - set(stage.inputs)} unbound"
        for source in [*stage.inputs.values(), *stage.shows]:
            origin, _, output = source.partition(".")
            if origin == "run":
                continue
            assert origin in seen, f"{stage.name} reads {source} before it exists"
            earlier = next(known for known in PIPELINE if known.name == origin)
            if not earlier.is_approval:
                assert output in find_step(earlier.step).load()[1].model_fields, f"{stage.name}: no output {source}"
        seen.add(stage.name)


def test_only_the_stages_that_compute_install_torch():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

    def packages(extra: str) -> set[str]:
        found: set[str] = set()
        for requirement in extras[extra]:
            own = re.match(r"continuous-training-pipeline\[([\w,-]+)\]", requirement)
            found |= set().union(*map(packages, own[1].split(","))) if own else {re.split(r"[\[<>=;~ ]", requirement)[0]}
        return found

    for extra in ("lake", "ingest", "label", "gate", "registry", "gateway", "report"):
        assert not packages(extra) & {"torch", "transformers", "trl"}, f"the extra {extra} brings torch"
    assert {"torch", "trl"} <= packages("train") <= packages("local")
