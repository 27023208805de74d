"""A release as one commit on a branch of its own, in a real repository."""

from __future__ import annotations

import pytest

from steps.contract.errors import DataError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.release.model_pin import pin_of, pin_path, replace_pin
from steps.release.pull_request import branch_name, propose
from steps.store.git_branch import open_branch

PATH = pin_path("kind")


@pytest.fixture
def ask(bare):
    """Propose to pin a version; branch, commit and whether it was made now."""

    def run(version=3, message="Pin it", **extra):
        ref = ModelRef(name="agent-model", version=version)
        with open_branch(str(bare), "main") as branch:
            target = pin_of(ref, ArtifactRef(uri=f"file:///m/{version}", sha256=f"{version:064x}"))
            text = replace_pin(branch.read(PATH), target, PATH)
            return propose(branch, "kind", target, {PATH: text, **extra}, message)

    return run


def test_the_branch_is_named_by_what_it_pins_and_main_stays(ask, bare, git):
    before = git(bare, "rev-parse", "main")
    name, commit, made = ask()
    assert (name, made, git(bare, "rev-parse", name)) == ("release/kind/agent-model-3", True, commit)
    assert git(bare, "rev-parse", "main") == before == git(bare, "rev-parse", f"{commit}^")
    assert branch_name("kind", pin_of(ModelRef(name="agent-model", version=3), ArtifactRef(uri="file:///m", sha256="a" * 64))) == name


def test_the_same_decision_finds_its_proposal(ask):
    name, commit, _ = ask()
    assert ask(message="again") == (name, commit, False)


def test_a_proposal_that_could_not_be_merged_is_made_anew(ask, bare, git, tmp_path):
    name, commit, _ = ask()
    clone = tmp_path / "person"
    git(tmp_path, "clone", "-q", str(bare), str(clone))
    (clone / PATH).write_text(f"# a person's line\n{(clone / PATH).read_text()}")
    git(clone, "commit", "-q", "-am", "a line")
    git(clone, "push", "-q", "origin", "main")
    again, newer, made = ask()
    assert (again, made) == (name, True) and newer != commit
    assert git(bare, "rev-parse", f"{newer}^") == git(bare, "rev-parse", "main")


def test_a_branch_with_somebody_elses_commits_is_left_alone(ask, bare, git, tmp_path):
    name, _, _ = ask()
    clone = tmp_path / "person"
    git(tmp_path, "clone", "-q", "-b", name, str(bare), str(clone))
    (clone / "README.md").write_text("mine\n")
    git(clone, "commit", "-q", "-am", "mine")
    git(clone, "push", "-q", "origin", name)
    theirs = git(bare, "rev-parse", name)
    with pytest.raises(DataError, match="merge or delete the branch first"):
        ask()
    assert git(bare, "rev-parse", name) == theirs
