"""The files by which others fork, review and report."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = (
    "LICENSE",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    ".github/CODEOWNERS",
    ".github/ISSUE_TEMPLATE/config.yml",
    ".github/pull_request_template.md",
    ".pre-commit-config.yaml",
    "renovate.json",
    "steps/py.typed",
)
# Files that need an owner before they are there: the first release and the first signer of a fork write them.
WRITTEN_LATER = {"release.json", "allowed_signers"}


def code_owners() -> list[tuple[str, list[str]]]:
    """Every pattern of CODEOWNERS with its owners."""
    lines = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    return [(words[0], words[1:]) for words in map(str.split, lines) if words and not words[0].startswith("#")]


@pytest.mark.parametrize("path", FILES)
def test_the_file_is_there(path):
    assert (ROOT / path).is_file()


def test_the_license_is_the_one_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project["license"] == "Apache-2.0" and "Apache License" in text and "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_types_are_shipped():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["*"]


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in code_owners() if pattern != "*"])
def test_a_path_with_an_owner_exists(pattern):
    assert pattern.startswith("/"), "a pattern without a slash at its start matches in every folder"
    path = pattern.strip("/")
    if Path(path).name in WRITTEN_LATER:
        path = str(Path(path).parent)
    paths = list(ROOT.glob(path))
    assert paths, f"CODEOWNERS names {pattern}, which is not there"
    assert all(path.is_dir() for path in paths) or not pattern.endswith("/")


def test_everything_has_an_owner_and_owners_are_teams():
    patterns = code_owners()
    assert patterns[0][0] == "*", "the last match wins: what is for everything comes first"
    for pattern, owners in patterns:
        assert owners and all(re.fullmatch(r"@[\w-]+/[\w-]+", owner) for owner in owners), pattern


@pytest.mark.parametrize(
    "path",
    [
        "charts/environments/production/model.yaml",
        "charts/environments/production/release.json",
        "charts/environments/production/allowed_signers",
        "charts/environments/production/iam/associations.json",
        ".github/workflows/ci.yaml",
        "workflows/rendered/kind/workflowtemplate-continuous-training.yaml",
    ],
)
def test_what_decides_about_a_release_has_owners_of_its_own(path):
    matches = [(pattern, owners) for pattern, owners in code_owners() if matches_pattern(path, pattern)]
    assert len(matches) > 1, f"{path} falls to the owners of everything"
    assert any(owner.endswith(("/security", "/release-approvers")) for owner in matches[-1][1])


def matches_pattern(path: str, pattern: str) -> bool:
    """CODEOWNERS' rule for the patterns that stand there: a folder holds everything below it, `*` stays inside a folder."""
    if pattern == "*":
        return True
    expression = re.escape(pattern.lstrip("/")).replace(r"\*", "[^/]*") + (".*" if pattern.endswith("/") else "")
    return re.fullmatch(expression, path) is not None


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "SECURITY.md"])
def test_links_and_make_targets_of_a_document_are_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / link).exists(), link
    targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert set(re.findall(r"(?m)(?:`|^)make ([a-z-]+)", text)) <= set(targets)
    for path in re.findall(r"`((?:steps|charts|workflows|docs|\.github)/[\w./*-]+)`", text):
        assert list(ROOT.glob(path.rstrip("/"))), path


def test_hooks_are_the_tools_of_make():
    """Local hooks alone: no version of a tool stands in a second place, and nothing is fetched."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["language"] == "system" and re.match(r"make [a-z]+$|\.venv/bin/ruff ", hook["entry"]), hook["id"]


def test_every_file_of_github_is_committed():
    """An ignore rule that hides one of them would go unseen here and be missed in a clone."""
    hidden = subprocess.run(["git", "check-ignore", *FILES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert hidden.stdout == ""
