"""Documents that name their enforcement points: each is there."""

from __future__ import annotations

import re

import pytest

from steps.cli.main import COMMANDS

from .rendered import ROOT

DOCUMENTS = (
    "docs/security.md",
    "docs/adr/0001-continuous-training-of-self-hosted-models.md",
    "docs/runbooks/bootstrap.md",
    "docs/runbooks/disaster-recovery.md",
)
RUNBOOKS = ("bootstrap", "rollback", "erasure", "judge-drift", "spot-drought", "budget-stop", "disaster-recovery")
FOLDERS = "steps|tests|charts|workflows|rollouts|karpenter|kgateway|docs|bench"
PATH = re.compile(rf"`?((?:{FOLDERS})/[\w./<>{{}},-]*|pyproject\.toml|versions\.env|constraints\.txt|Makefile)`?")


def paths(text):
    """Paths of the repository that a text names, with <env> and {a,b} filled in."""
    for found in PATH.findall(text):
        path = re.sub(r"<env>|\$env", "production", found).rstrip(".,/")
        options = re.search(r"\{([^}]*)\}", path)
        for option in options[1].split(",") if options else [""]:
            yield re.sub(r"\{[^}]*\}", option, path)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_is_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = sorted(set(paths(text)))
    assert named
    missing = [
        path for path in named if not (ROOT / path).exists() and "<" not in path and not path.startswith("workflows/rendered/kind/x")
    ]
    assert not missing, f"{document} names what is not there: {missing}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_and_make_target_is_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / document).parent / link).exists(), f"{document}: {link}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z][\w-]*)", text):
        assert re.search(rf"^{target.split('-')[0]}[\w-]*(%|{target.partition('-')[2]})?:", makefile, re.M), f"{document}: make {target}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_ctp_command_is_there(document):
    known = {command.name for command in COMMANDS}
    for command in re.findall(r"`ctp ([a-z-]+)", (ROOT / document).read_text(encoding="utf-8")):
        assert command in known, f"{document}: ctp {command}"


@pytest.mark.parametrize("test", re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8")))
def test_a_test_that_is_named_is_there(test):
    assert any(f"def {test}(" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("name", RUNBOOKS)
def test_the_runbook_is_there(name):
    assert (ROOT / "docs" / "runbooks" / f"{name}.md").read_text(encoding="utf-8").startswith("# ")
