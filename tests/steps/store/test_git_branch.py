from __future__ import annotations

import os

import pytest

from steps.contract.errors import ConfigError, DataError, TransientError
from steps.store.git_branch import HeadMovedError, create_bare, open_branch

PATH = "charts/environments/kind/model.yaml"


def replace(url, text="new\n", path=PATH):
    with open_branch(str(url), "main") as branch:
        return branch.replace({path: text}, "change\n")


def test_reads_text_exactly(worktree, git):
    (worktree / "odd.txt").write_bytes("no end, ü".encode())
    (worktree / "even.txt").write_text("\n\ntwo ends\n\n")
    git(worktree, "add", ".")
    git(worktree, "commit", "-q", "-m", "texts")
    with open_branch(str(worktree), "main") as branch:
        assert branch.read("odd.txt") == "no end, ü"
        assert branch.read("even.txt") == "\n\ntwo ends\n\n"
        assert branch.read("absent.txt") is None


def test_works_without_identity_home_or_environment(bare, git, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    commit = replace(bare)
    assert git(bare, "log", "-1", "--format=%an %H", "main") == f"ctp release {commit}"


def test_a_calling_hooks_environment_does_not_redirect(bare, worktree, git, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(worktree / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(worktree / ".git" / "index"))
    replace(bare)
    monkeypatch.undo()
    assert git(worktree, "status", "--porcelain") == ""
    assert git(worktree, "log", "--format=%s") == "start"


def test_a_users_own_configuration_still_counts(bare, tmp_path, monkeypatch):
    own = tmp_path / "own.gitconfig"
    own.write_text(f'[url "{bare}"]\n\tinsteadOf = fleet:\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    with open_branch("fleet:", "main") as branch:
        assert branch.read("README.md") == "fleet\n"


def test_an_ordinary_repository_follows_in_its_work_tree(worktree, git):
    replace(worktree, "name: new\n")
    assert (worktree / PATH).read_text() == "name: new\n"
    assert git(worktree, "status", "--porcelain") == ""


def test_uncommitted_work_is_not_overwritten(worktree):
    (worktree / PATH).write_text("mine\n")
    with pytest.raises(DataError, match="git push"):
        replace(worktree)
    assert (worktree / PATH).read_text() == "mine\n"


def test_a_moved_head_is_noticed(bare, git):
    with open_branch(str(bare), "main") as branch:
        replace(bare, "first\n")
        with pytest.raises(HeadMovedError, match="main expected at"):
            branch.replace({PATH: "second\n"}, "late\n")
    assert git(bare, "show", f"main:{PATH}") == "first"


def test_a_rewound_head_is_not_undone(bare, git):
    replace(bare, "first\n")
    with open_branch(str(bare), "main") as branch:
        git(bare, "update-ref", "refs/heads/main", "main~1")
        with pytest.raises(HeadMovedError):
            branch.replace({PATH: "second\n"}, "late\n")


def test_another_owners_repository_is_trusted_by_configuration(bare, git):
    for path in (bare, *bare.rglob("*")):
        os.chown(path, 12345 if os.geteuid() == 0 else -1, -1)
    assert replace(bare)


@pytest.mark.parametrize(
    ("url", "branch", "kind"),
    [
        ("/nonexistent/fleet.git", "main", ConfigError),
        ("bare", "other", ConfigError),
        ("https://127.0.0.1:9/fleet.git", "main", TransientError),
    ],
)
def test_what_cannot_be_fetched(bare, url, branch, kind):
    with pytest.raises(kind), open_branch(str(bare) if url == "bare" else url, branch):
        pass


def test_create_bare_keeps_an_existing_repository(tmp_path, git):
    path = tmp_path / "made.git"
    create_bare(path, "main", {"a/b.yaml": "one\n", "a/c.yaml": "more\n"})
    create_bare(path, "main", {"a/b.yaml": "two\n"})
    assert git(path, "show", "main:a/b.yaml") == "one"
    assert git(path, "show", "main:a/c.yaml") == "more"
    assert git(path, "symbolic-ref", "HEAD") == "refs/heads/main"
