"""What CI may do: call make, with pinned actions and no rights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
TARGETS = set(re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


def load(path: Path) -> dict:
    """A workflow; YAML 1.1 reads its key `on` as true."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps() -> list[tuple[str, dict]]:
    """Every step of every job with its name for a message."""
    return [
        (f"{path.name}: {name}", step) for path in WORKFLOWS for name, job in load(path)["jobs"].items() for step in job.get("steps", [])
    ]


def test_there_is_a_workflow():
    assert [path.name for path in WORKFLOWS] and steps()


@pytest.mark.parametrize(("place", "step"), steps(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_step_calls_make_or_a_pinned_action(place, step):
    if "uses" in step:
        assert PINNED.fullmatch(step["uses"]), f"{place}: {step['uses']} is not pinned by its commit"
    else:
        target = re.fullmatch(r"make ([a-z0-9-]+)", step["run"])
        assert target and target[1] in TARGETS, f"{place}: {step['run']!r} is no make target"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_pin_says_its_version_and_an_action_has_one_pin(path):
    uses = re.findall(r"uses: (\S+)@(\S+)(.*)", path.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", comment) for _, _, comment in uses), "Renovate keeps the version in the comment"
    assert len({action for action, _, _ in uses}) == len({(action, pin) for action, pin, _ in uses})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_has_few_rights_and_an_end(path):
    workflow = load(path)
    assert workflow["permissions"] == {} and "pull_request_target" not in workflow[True]
    for name, job in workflow["jobs"].items():
        assert set(job["permissions"].items()) <= {("contents", "read")}, f"{name}: CI reads, it does not write"
        assert job["timeout-minutes"] <= 60 and job["runs-on"] != "ubuntu-latest", name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_ci_checks_what_a_person_is_told_to_check():
    commands = [step["run"] for _, step in steps() if "run" in step]
    script = [line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line.startswith("make ")]
    assert script == ["make lint", "make drift", "make test"] and set(script) <= set(commands)


def test_ci_runs_every_python_that_the_package_admits():
    matrix = load(ROOT / ".github" / "workflows" / "ci.yaml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    lowest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    assert matrix[0] == lowest and all(isinstance(version, str) for version in matrix)
