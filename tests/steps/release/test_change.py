from __future__ import annotations

import threading

import pytest

from steps.contract.errors import ConfigError, DataError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.release.change import current, current_pin, withdraw
from steps.release.release import Params, run
from steps.store import git_branch as gitrepo
from steps.store.git_branch import Branch

PATH = "charts/environments/kind/model.yaml"
AGENT = "charts/environments/kind/agent.yaml"


def params(version=1, **overrides):
    artifact = ArtifactRef(uri=f"s3://models/{version}", sha256=f"{version:064x}")
    given = {"model": ModelRef(name="agent-model", version=version), "artifact": artifact, "approved_by": "Ada <ada@example.com>"}
    return Params(**{**given, **overrides})


def test_one_commit_changes_pin_and_manifest(make_ctx, bare, git):
    before = git(bare, "rev-parse", "main")
    verdict = ArtifactRef(uri="file:///verdicts/v.json", sha256="f" * 64)
    result = run(params(3, verdict=verdict), make_ctx(bare))
    assert (result.changed, result.previous_commit, result.previous_version) == (True, before, None)
    assert git(bare, "rev-parse", "main") == result.commit
    assert git(bare, "diff", "--name-only", before, result.commit).split() == [AGENT, PATH]
    assert result.branch == "main"
    message = git(bare, "log", "-1", "--format=%B", "main")
    for words in ("release agent-model@3 to kind", "Run: run-1", f"s3://models/3#sha256:{3:064x}", str(verdict)):
        assert words in message
    assert message.splitlines()[-1] == "Signed-off-by: Ada <ada@example.com>"
    assert git(bare, "log", "-1", "--format=%(trailers:key=Signed-off-by,valueonly)", "main") == "Ada <ada@example.com>"


def test_the_same_release_again_changes_nothing(make_ctx, bare):
    ctx = make_ctx(bare)
    run(params(1), ctx)
    first = run(params(2), ctx)
    again = run(params(2), ctx)
    assert again.model_dump() == first.model_dump() | {"changed": False}
    assert first.previous_version == 1


def test_expected_current_is_compare_and_set(make_ctx, bare, git):
    ctx = make_ctx(bare)
    run(params(1), ctx)
    with pytest.raises(DataError, match="expected agent-model@4 pinned, found agent-model@1"):
        run(params(2, expected_current="agent-model@4"), ctx)
    run(params(2, expected_current="agent-model@1"), ctx)
    assert current_pin(ctx).version == 2


@pytest.mark.parametrize("name", ["", "  ", "Eve\nSigned-off-by: Ada"])
def test_a_release_names_its_approver(make_ctx, bare, name):
    with pytest.raises(DataError, match="approved_by"):
        run(params(approved_by=name), make_ctx(bare))


def test_without_a_repository_one_is_made_in_the_work_folder(make_ctx, git):
    ctx = make_ctx()
    assert current_pin(ctx).ref is None
    result = run(params(1), ctx)
    assert git(ctx.workdir / "gitops.git", "rev-list", "--count", "main") == "2"
    assert git(ctx.workdir / "gitops.git", "rev-parse", "main") == result.commit


def test_a_killed_push_is_repeated(make_ctx, bare, monkeypatch, git):
    """The push arrived, its answer did not: the repeated step finds its own commit."""

    class Killed(BaseException):
        pass

    whole = Branch.replace

    def dies(self, *args):
        whole(self, *args)
        raise Killed

    monkeypatch.setattr(Branch, "replace", dies)
    with pytest.raises(Killed):
        run(params(1), make_ctx(bare))
    monkeypatch.undo()
    result = run(params(1), make_ctx(bare))
    assert not result.changed
    assert git(bare, "rev-list", "--count", "main") == "2"


def test_a_push_that_lost_the_race_is_done_again_on_the_new_head(make_ctx, bare, worktree, monkeypatch, git):
    whole = Branch.replace
    others = iter(("one", "two"))

    def overtaken(self, *args):
        word = next(others, None)
        if word is not None:
            git(worktree, "pull", "-q", str(bare), "main")
            (worktree / "README.md").write_text(word)
            git(worktree, "commit", "-q", "-am", word)
            git(worktree, "push", "-q", str(bare), "main")
        return whole(self, *args)

    monkeypatch.setattr(Branch, "replace", overtaken)
    result = run(params(1), make_ctx(bare))
    assert result.changed
    assert git(bare, "show", "main:README.md") == "two"
    assert git(bare, "log", "--format=%s", "main").splitlines() == ["release agent-model@1 to kind", "two", "one", "start"]


def test_two_releases_at_once_are_both_serialised(make_ctx, bare, git):
    ctx, errors = make_ctx(bare), []

    def work(version):
        try:
            run(params(version), ctx)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(version,)) for version in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert git(bare, "rev-list", "--count", "main") == "3"


def test_a_missing_pin_file_is_named(make_ctx, bare):
    with pytest.raises(ConfigError, match="charts/environments/staging/model.yaml: not in branch main"):
        run(params(), make_ctx(bare, environment="staging"))


def test_errors_hide_credentials():
    from steps.store.git import redact

    assert redact("fatal: https://ada:secret@host/x.git not found") == "fatal: https://***@host/x.git not found"


def test_the_scratch_repository_is_gone_afterwards(make_ctx, bare, tmp_path, monkeypatch):
    monkeypatch.setattr(gitrepo.tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    run(params(), make_ctx(bare))
    assert list((tmp_path / "scratch").iterdir()) == []


# ---- the agent manifest ---------------------------------------------------------------------


def edited(git, bare, worktree, word, **files):
    """A person's commit beside us."""
    git(worktree, "pull", "-q", str(bare), "main")
    for path, change in files.items():
        file = worktree / {"pin": PATH, "agent": AGENT}[path]
        file.write_text(change(file.read_text()))
    git(worktree, "commit", "-q", "-am", word)
    git(worktree, "push", "-q", str(bare), "main")


def agent(ctx):
    return current(ctx)[1]


def test_an_older_repository_gets_its_manifest_with_the_next_release(make_ctx, bare, worktree, git):
    git(worktree, "rm", "-q", AGENT)
    git(worktree, "commit", "-q", "-m", "an older repository")
    git(worktree, "push", "-q", str(bare), "main")
    ctx = make_ctx(bare)
    assert agent(ctx) is None
    run(params(4), ctx)
    assert (agent(ctx).version, agent(ctx).model_version) == (1, 4)


# ---- withdrawing what failed ------------------------------------------------------------------


def test_withdraw_restores_the_words_of_the_newest_pin_of_the_champion(make_ctx, bare, worktree, git):
    """Version 2 never served: when 3 fails, what runs is 1."""
    ctx = make_ctx(bare)
    run(params(1), ctx)
    edited(git, bare, worktree, "moved", pin=lambda text: text.replace("s3://models/1", "s3://elsewhere/1"))
    for version in (2, 3):
        run(params(version), ctx)
    edited(git, bare, worktree, "broken", pin=lambda text: "model: [\n")
    edited(git, bare, worktree, "mended", pin=lambda text: git(bare, "show", f"main~1:{PATH}") + "\n# later remark\n")
    done = withdraw(ctx, 3, back_to=1, otherwise=None, reason="worse\nin all", approved_by="ctp reconcile")
    assert done.changed and current_pin(ctx).uri == "s3://elsewhere/1"
    assert git(bare, "show", f"main:{PATH}").endswith("# later remark")
    assert "Reason: worse in all" in git(bare, "log", "-1", "--format=%B", "main")
    assert withdraw(ctx, 3, back_to=1, otherwise=None, reason="again", approved_by="x") is None


def test_withdraw_falls_back_to_what_was_replaced_or_to_the_registry(make_ctx, bare):
    ctx = make_ctx(bare)
    run(params(5), ctx)
    assert withdraw(ctx, 5, back_to=None, otherwise=None, reason="first", approved_by="x").changed
    assert current_pin(ctx).ref is None
    run(params(5), ctx)
    known = current_pin(ctx).model_copy(update={"version": 4, "uri": "s3://models/4"})
    withdraw(ctx, 5, back_to=4, otherwise=known, reason="never pinned here", approved_by="x")
    assert current_pin(ctx) == known
    with pytest.raises(DataError, match="no commit says what version 4 replaced"):
        withdraw(ctx, 4, back_to=9, otherwise=None, reason="x", approved_by="x")


# ---- pull-request mode --------------------------------------------------------------------------


def test_a_proposal_waits_on_its_branch_and_is_made_once(make_ctx, bare, worktree, git):
    ctx = make_ctx(bare, mode="pull-request")
    before = git(bare, "rev-parse", "main")
    first, again = (run(params(2), ctx) for _ in range(2))
    branch = "release/kind/agent-model-2"
    assert (first.branch, first.changed, again.changed, again.commit) == (branch, True, False, first.commit)
    assert git(bare, "rev-parse", "main") == before and current_pin(ctx).ref is None
    assert git(bare, "diff", "--name-only", "main", branch).split() == [AGENT, PATH]
    assert git(bare, "rev-list", "--count", f"main..{branch}") == "1"
    # Another file of the main branch moves: still mergeable, still the same.
    git(worktree, "commit", "-q", "--allow-empty", "-m", "beside")
    git(worktree, "push", "-q", str(bare), "main")
    assert run(params(2), ctx).commit == first.commit
    git(worktree, "pull", "-q", "--no-rebase", "--no-edit", str(bare), branch)
    git(worktree, "push", "-q", str(bare), "main")
    merged = run(params(2), ctx)
    assert (merged.changed, merged.branch, current_pin(ctx).version) == (False, "main", 2)


def test_a_proposal_that_cannot_be_merged_any_more_is_made_anew(make_ctx, bare, git):
    ctx, direct = make_ctx(bare, mode="pull-request"), make_ctx(bare)
    old = run(params(2), ctx)
    run(params(1), direct)
    new = run(params(2), ctx)
    assert new.changed and new.commit != old.commit
    assert git(bare, "rev-parse", f"{new.branch}~1") == git(bare, "rev-parse", "main")
    # The branch of a merged release is used again when the same version comes back.
    git(bare, "update-ref", "refs/heads/main", new.commit)
    run(params(3), direct)
    assert run(params(2), ctx).changed


def test_others_commits_on_the_branch_are_not_overwritten(make_ctx, bare, worktree, git):
    ctx = make_ctx(bare, mode="pull-request")
    proposed = run(params(2), ctx)
    git(worktree, "pull", "-q", "--no-rebase", str(bare), proposed.branch)
    git(worktree, "commit", "-q", "--allow-empty", "-m", "review")
    git(worktree, "push", "-q", str(bare), f"HEAD:{proposed.branch}")
    run(params(1), make_ctx(bare))
    with pytest.raises(DataError, match="expected one commit of ours, found others"):
        run(params(2), ctx)
