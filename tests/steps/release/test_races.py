"""Real processes that meet at the same repository and registry: one wins, the other says what it expected and found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from steps.release.change import current, current_pin
from steps.store.aliases import ABORTED

from .served import aborted, reconcile, rollout, serving, tags


@pytest.fixture
def start(ctx):
    """Start `ctp …` on the work folder of `ctx` as a process of its own."""
    values = {"model_name": ctx.config.model_name, "registry": {"tracking_uri": ctx.config.registry.tracking_uri}}
    config = ctx.workdir / "config.yaml"
    config.write_text(json.dumps(values))

    def run(*arguments):
        command = [sys.executable, "-m", "steps.cli.main", *arguments, f"--workdir={ctx.workdir}", f"--config={config}"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"NO_COLOR": "1"})

    return run


def ended(process):
    output, error = process.communicate(timeout=120)
    return process.returncode, output, " ".join(error.split())


def release(start, ctx, version):
    return start(
        "step",
        "release",
        f"--model={ctx.config.model_name}@{version}",
        f"--artifact=file:///m/{version}#sha256:{version:064x}",
        "--approved-by=Ada",
        f"--expected-current={ctx.config.model_name}@2",
    )


def test_two_releases_at_once_one_wins_the_other_says_what_it_found(ctx, start, git):
    processes = {version: release(start, ctx, version) for version in (3, 4)}
    results = {version: ended(process) for version, process in processes.items()}
    assert sorted(code for code, _, _ in results.values()) == [0, 65]
    winner = next(version for version, (code, _, _) in results.items() if code == 0)
    loser = results[7 - winner][2]
    assert f"expected {ctx.config.model_name}@2 pinned, found {ctx.config.model_name}@{winner}" in loser
    pin, manifest = current(ctx)
    assert pin.version == manifest.model_version == winner
    assert git(ctx.workdir / "gitops.git", "rev-list", "--count", "main") == "4"


def test_two_reconciles_and_a_persons_commits_at_once(ctx, start, git, tmp_path):
    """The revert is made once, nothing of the person's is lost, and both processes end well."""
    bare, person = ctx.workdir / "gitops.git", tmp_path / "person"
    git(tmp_path, "clone", "-q", str(bare), str(person))

    def push(number):
        (person / f"note-{number}.txt").write_text("mine")
        git(person, "add", ".")
        git(person, "commit", "-q", "-m", f"note {number}")
        while subprocess.run(["git", "push", "-q", "origin", "main"], cwd=person, capture_output=True).returncode:
            git(person, "pull", "-q", "--rebase", "origin", "main")

    status = f"--status={json.dumps(aborted())}"
    processes = [start("step", "reconcile", status) for _ in range(2)]
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(lambda: [push(number) for number in range(6)])
        results = [ended(process) for process in processes]
        pushed.result()
    assert [code for code, _, _ in results] == [0, 0], results
    subjects = git(bare, "log", "--format=%s", "main").splitlines()
    assert sum(subject.startswith("revert ") for subject in subjects) == 1
    assert sum(subject.startswith("note ") for subject in subjects) == 6
    assert (current_pin(ctx).version, serving(ctx)) == (1, 1) and ABORTED in tags(ctx, 2)


def test_a_promotion_beside_a_rollback_leaves_one_of_both(ctx, start):
    """The alias moves under one of them: whoever is late says so, and the next reconcile agrees with Git."""
    processes = [start("step", "reconcile", f"--status={json.dumps(rollout('Healthy'))}"), start("rollback", "--to=1", "--approved-by=Ada")]
    results = [ended(process) for process in processes]
    assert {code for code, _, _ in results} <= {0, 65}, results
    for code, _, error in results:
        assert code == 0 or "expected version" in error or "was aborted" in error, error
    pinned = current_pin(ctx).version
    assert pinned == 1
    reconcile(ctx, rollout("Healthy", version=pinned))
    assert serving(ctx) == pinned
