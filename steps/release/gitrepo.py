"""One file of a remote Git branch, read and committed by compare-and-set. No work tree is checked out.

Works on https and ssh URLs and on local repositories, bare or with a work tree, with
any or no global Git configuration. Credentials come from git's own configuration
(`GIT_CONFIG_GLOBAL`, credential helpers) or ssh's.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steps.core.git import redact, run_git
from steps.errors import ConfigError, DataError, PipelineError, TransientError

IDENTITY = {
    "GIT_AUTHOR_NAME": "ctp release",
    "GIT_AUTHOR_EMAIL": "ctp-release@localhost",
    "GIT_COMMITTER_NAME": "ctp release",
    "GIT_COMMITTER_EMAIL": "ctp-release@localhost",
}


@dataclass(frozen=True)
class Commit:
    """A commit, its first parent ("" if none), and the file before it and in it ("" where absent)."""

    sha: str
    parent: str
    before: str
    after: str


class Branch:
    """A branch of a remote repository, fetched into a temporary bare one.

    Args:
        url: URL or path of the remote.
        branch: its branch.
        scratch: an empty bare repository.
        env: environment of every git command.
    """

    def __init__(self, url: str, branch: str, scratch: Path, env: dict[str, str]) -> None:
        self.url, self.branch = url, branch
        self._scratch, self._env = scratch, env
        self.head = ""

    def _git(self, *arguments: str, stdin: bytes | None = None) -> str:
        return run_git(arguments, self._scratch, env=self._env, stdin=stdin)

    def fetch(self) -> str:
        """Bring the branch here and return its head.

        Raises:
            ConfigError: the repository or the branch does not exist.
            AccessError, TransientError: it cannot be read, or not now.
        """
        self._git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", self.url, f"+refs/heads/{self.branch}:refs/remotes/fetched")
        self.head = self._git("rev-parse", "refs/remotes/fetched")
        return self.head

    def read(self, path: str, commit: str = "") -> str | None:
        """A file's text at a commit (default: the head); None when it is not there."""
        listed = self._git("ls-tree", commit or self.head, "--", path)
        if not listed:
            return None
        # Blobs are read whole: run_git takes off one final newline, which is put back by its size.
        blob = listed.split()[2]
        size = int(self._git("cat-file", "-s", blob))
        text = self._git("cat-file", "blob", blob)
        return text + "\n" if len(text.encode()) < size else text

    def last_change(self, path: str) -> Commit | None:
        """The newest commit on the first-parent line that changed the file."""
        sha = self._git("log", "-1", "--first-parent", "--format=%H", self.head, "--", path)
        return self.commit(sha, path) if sha else None

    def commit(self, sha: str, path: str) -> Commit:
        """One commit of the branch and what it did to the file.

        Raises:
            DataError: the branch has no such commit.
        """
        try:
            parents = self._git("rev-list", "--parents", "-1", f"{sha}^{{commit}}").split()
            self._git("merge-base", "--is-ancestor", parents[0], self.head)
        except PipelineError:
            raise DataError(f"{redact(self.url)}: branch {self.branch} has no commit {sha!r}") from None
        before = self.read(path, parents[1]) if len(parents) > 1 else None
        return Commit(parents[0], parents[1] if len(parents) > 1 else "", before or "", self.read(path, parents[0]) or "")

    def replace(self, path: str, text: str, message: str) -> str:
        """Commit the file's new text on top of the fetched head and push, if the remote still has that head.

        Returns:
            The new commit's hash.

        Raises:
            HeadMovedError: somebody else pushed in between.
            AccessError, TransientError, DataError: the push was refused for another reason.
        """
        blob = self._git("hash-object", "-w", "--stdin", stdin=text.encode())
        self._git("read-tree", self.head)
        self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = self._git("write-tree")
        commit = self._git("commit-tree", tree, "-p", self.head, "-F", "-", stdin=message.encode())
        lease = f"--force-with-lease=refs/heads/{self.branch}:{self.head}"
        try:
            self._git("push", "--quiet", *self._receiver(), lease, self.url, f"{commit}:refs/heads/{self.branch}")
        except PipelineError as error:
            expected, found = self.head, self.fetch()
            if found == commit:
                return commit
            if found != expected:
                raise HeadMovedError(f"{redact(self.url)}: {self.branch} expected at {expected[:12]}, found at {found[:12]}") from error
            raise error
        self.head = commit
        return commit

    def _receiver(self) -> list[str]:
        """A local repository with a work tree takes pushes to its branch only if its files may follow."""
        if not (Path(self.url) / ".git").exists():
            return []
        return ["--receive-pack=git -c receive.denyCurrentBranch=updateInstead receive-pack"]


class HeadMovedError(TransientError):
    """The remote branch is not where it was read: fetch, look and try again."""


@contextlib.contextmanager
def open_branch(url: str, branch: str) -> Iterator[Branch]:
    """Fetch a branch into a temporary repository that is gone at the end.

    Raises:
        ConfigError: the repository or the branch does not exist.
        AccessError, TransientError: it cannot be read, or not now.
    """
    with tempfile.TemporaryDirectory(prefix="ctp-release-") as folder:
        scratch = Path(folder) / "scratch.git"
        env = IDENTITY | {"GIT_CONFIG_GLOBAL": str(_global_config(Path(folder), url))}
        run_git(["init", "--quiet", "--bare", "--template=", str(scratch)], Path(folder), env=env)
        opened = Branch(url, branch, scratch, env)
        opened.fetch()
        yield opened


def _global_config(folder: Path, url: str) -> Path:
    """A global configuration that includes the user's and trusts exactly the configured local repository.

    Git refuses local repositories of another owner, which is what a pod sees on a shared volume.
    """
    lines: list[str] = []
    home = os.environ.get("HOME")
    own = os.environ.get("GIT_CONFIG_GLOBAL") or (str(Path(home) / ".gitconfig") if home else "")
    if own and Path(own).is_file():
        lines += ["[include]", f"\tpath = {_quoted(own)}"]
    if Path(url).is_dir():
        root = Path(url).resolve()
        lines += ["[safe]", *(f"\tdirectory = {_quoted(str(path))}" for path in (root, root / ".git"))]
    path = folder / "gitconfig"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def create_bare(path: Path, branch: str, file: str, text: str) -> None:
    """Make a bare repository whose branch holds one file, whole or not at all; an existing one is kept."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = Path(folder) / "made.git"
        env = IDENTITY | {"GIT_CONFIG_GLOBAL": os.devnull}
        run_git(["init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(made)], Path(folder), env=env)
        blob = run_git(["hash-object", "-w", "--stdin"], made, env=env, stdin=text.encode())
        run_git(["update-index", "--add", "--cacheinfo", f"100644,{blob},{file}"], made, env=env)
        tree = run_git(["write-tree"], made, env=env)
        commit = run_git(["commit-tree", tree, "-m", "start with nothing released"], made, env=env)
        run_git(["update-ref", f"refs/heads/{branch}", commit], made, env=env)
        (made / "index").unlink()
        with contextlib.suppress(OSError):  # Another process was first: its repository is as good.
            made.rename(path)
    if not path.is_dir():
        raise ConfigError(f"{path}: cannot be made a Git repository: it exists and is no folder")
