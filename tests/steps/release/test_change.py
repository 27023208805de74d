from __future__ import annotations

import threading

import pytest

from steps.core.refs import ArtifactRef, ModelRef
from steps.errors import ConfigError, DataError
from steps.release import gitrepo
from steps.release.change import current_pin, release, revert
from steps.release.gitrepo import Branch
from steps.release.step import Params, run

PATH = "charts/environments/kind/model.yaml"


def params(version=1, **overrides):
    artifact = ArtifactRef(uri=f"s3://models/{version}", sha256=f"{version:064x}")
    given = {"model": ModelRef(name="agent-model", version=version), "artifact": artifact, "approved_by": "Ada <ada@example.com>"}
    return Params(**{**given, **overrides})


def test_one_commit_changes_one_file(make_ctx, bare, git):
    before = git(bare, "rev-parse", "main")
    verdict = ArtifactRef(uri="file:///verdicts/v.json", sha256="f" * 64)
    result = run(params(3, verdict=verdict), make_ctx(bare))
    assert (result.changed, result.previous_commit, result.previous_version) == (True, before, None)
    assert git(bare, "rev-parse", "main") == result.commit
    assert git(bare, "diff", "--name-only", before, result.commit) == PATH
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


def test_revert_restores_the_previous_pin_once(make_ctx, bare, git):
    ctx = make_ctx(bare)
    run(params(1), ctx)
    text = git(bare, "show", f"main:{PATH}")
    bad = run(params(2), ctx)
    undone = revert(ctx, bad.commit, reason="canary\nlost", approved_by="Ada")
    again = revert(ctx, bad.commit, reason="canary lost", approved_by="Ada")
    assert git(bare, "show", f"main:{PATH}") == text
    assert undone.changed and undone.previous_commit == bad.commit and undone.previous_version == 2
    assert not again.changed and again.commit == undone.commit
    assert f"Reverts: {bad.commit}" in git(bare, "log", "-1", "--format=%B", "main")


def test_revert_of_the_first_release_pins_nothing(make_ctx, bare):
    ctx = make_ctx(bare)
    first = run(params(1), ctx)
    assert revert(ctx, first.commit, reason="no", approved_by="Ada").changed
    assert current_pin(ctx).ref is None


def test_revert_keeps_newer_changes_of_other_files_and_comments(make_ctx, bare, worktree, git):
    ctx = make_ctx(bare)
    bad = run(params(1), ctx)
    git(worktree, "pull", "-q", str(bare), "main")
    (worktree / PATH).write_text((worktree / PATH).read_text() + "# later remark\n")
    (worktree / "README.md").write_text("newer\n")
    git(worktree, "commit", "-q", "-am", "edit")
    git(worktree, "push", "-q", str(bare), "main")
    revert(ctx, bad.commit, reason="no", approved_by="Ada")
    assert git(bare, "show", f"main:{PATH}").endswith("# later remark")
    assert git(bare, "show", "main:README.md") == "newer"
    assert current_pin(ctx).ref is None


def test_revert_refuses_when_something_newer_is_released(make_ctx, bare):
    ctx = make_ctx(bare)
    run(params(1), ctx)
    old = run(params(2), ctx)
    run(params(3), ctx)
    with pytest.raises(DataError, match="found agent-model@3"):
        revert(ctx, old.commit, reason="no", approved_by="Ada")


@pytest.mark.parametrize("commit", ["0" * 40, "main", "nonsense", "--help"])
def test_revert_refuses_what_is_no_release(make_ctx, bare, commit):
    with pytest.raises(DataError, match="commit"):
        revert(make_ctx(bare), commit, reason="no", approved_by="Ada")


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
            release(params(version), ctx)
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
    from steps.core.git import redact

    assert redact("fatal: https://ada:secret@host/x.git not found") == "fatal: https://***@host/x.git not found"


def test_the_scratch_repository_is_gone_afterwards(make_ctx, bare, tmp_path, monkeypatch):
    monkeypatch.setattr(gitrepo.tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    run(params(), make_ctx(bare))
    assert list((tmp_path / "scratch").iterdir()) == []
