"""Real Git repositories, made without any global configuration."""

from __future__ import annotations

import os
import subprocess

import pytest

from steps.config import PipelineConfig
from steps.core.spec import StepContext
from steps.release.pin import INITIAL

PATH = "charts/environments/kind/model.yaml"
CLEAN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
WHO = ("-c", "user.name=t", "-c", "user.email=t@t")


@pytest.fixture
def git():
    def run(folder, *arguments):
        done = subprocess.run(["git", *WHO, *arguments], cwd=folder, env=CLEAN, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


@pytest.fixture
def worktree(tmp_path, git):
    """An ordinary repository with a pin file and another file, on branch main."""
    folder = tmp_path / "fleet"
    (folder / PATH).parent.mkdir(parents=True)
    (folder / PATH).write_text(INITIAL.format(name="agent-model"))
    (folder / "README.md").write_text("fleet\n")
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "start")
    return folder


@pytest.fixture
def bare(tmp_path, git, worktree):
    """A bare clone of the ordinary repository."""
    folder = tmp_path / "fleet.git"
    git(tmp_path, "clone", "-q", "--bare", str(worktree), str(folder))
    return folder


@pytest.fixture
def make_ctx(tmp_path):
    def make(repository="", **release):
        config = PipelineConfig.model_validate({"release": {"repository": str(repository), **release}})
        return StepContext(config=config, run_id="run-1", workdir=tmp_path / "work")

    return make
