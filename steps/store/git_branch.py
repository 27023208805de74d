"""A few files of a remote Git branch, read and committed by compare-and-set. No work tree is checked out.

Works on https and ssh URLs and on local repositories, bare or with a work tree, with
any or no global Git configuration. Credentials: `steps.store.git_credentials`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from steps.contract.config import ReleaseConfig
from steps.contract.errors import ConfigError, DataError, PipelineError, TransientError
from steps.store.git import redact, run_git
from steps.store.git_credentials import git_environment

EMAIL = "ctp-release@localhost"
IDENTITY = {
    "GIT_AUTHOR_NAME": "ctp release",
    "GIT_AUTHOR_EMAIL": EMAIL,
    "GIT_COMMITTER_NAME": "ctp release",
    "GIT_COMMITTER_EMAIL": EMAIL,
}
_LONGEST_HISTORY = 500


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
        self.head = self._fetch(self.branch, "refs/remotes/fetched")
        return self.head

    def _fetch(self, branch: str, to: str) -> str:
        self._git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", self.url, f"+refs/heads/{branch}:{to}")
        return self._git("rev-parse", to)

    def tip(self, branch: str) -> str:
        """The newest commit of another branch, brought here; "" where there is no such branch."""
        listed = self._git("ls-remote", self.url, f"refs/heads/{branch}")
        return self._fetch(branch, "refs/remotes/other") if listed else ""

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

    def history(self, path: str) -> list[str]:
        """Commits on the first-parent line that changed the file, newest first, 500 at most."""
        return self._git("log", f"-{_LONGEST_HISTORY}", "--first-parent", "--format=%H", self.head, "--", path).split()

    def last_change(self, path: str) -> Commit | None:
        """The newest commit on the first-parent line that changed the file."""
        changes = self._git("log", "-1", "--first-parent", "--format=%H", self.head, "--", path)
        return self.commit(changes, path) if changes else None

    def commit(self, sha: str, path: str) -> Commit:
        """One commit of the branch and what it did to the file.

        Raises:
            DataError: the branch has no such commit.
        """
        try:
            parents = self._git("rev-list", "--parents", "-1", f"{sha}^{{commit}}").split()
        except PipelineError:
            parents = []
        if not parents or not self.holds(parents[0]):
            raise DataError(f"{redact(self.url)}: branch {self.branch} has no commit {sha!r}")
        before = self.read(path, parents[1]) if len(parents) > 1 else None
        return Commit(parents[0], parents[1] if len(parents) > 1 else "", before or "", self.read(path, parents[0]) or "")

    def holds(self, sha: str) -> bool:
        """Whether a commit that was brought here is part of the branch."""
        return self._git("rev-list", "-1", sha, f"^{self.head}") == ""

    def ours(self, tip: str) -> str:
        """The commit below `tip` that the branch holds, if `tip` is one commit of this program on it; else ""."""
        above = self._git("log", "--format=%H %P %ce", tip, f"^{self.head}").splitlines()
        words = above[0].split(" ") if len(above) == 1 else []
        return words[1] if len(words) == 3 and words[2] == EMAIL else ""

    def replace(self, files: Mapping[str, str], message: str) -> str:
        """Commit new texts of files on top of the fetched head and push, if the remote still has that head.

        Args:
            files: path -> text.
            message: of the commit.

        Returns:
            The new commit's hash.

        Raises:
            HeadMovedError: somebody else pushed in between.
            AccessError, TransientError, DataError: the push was refused for another reason.
        """
        self.head = self._push(self._write(files, message), self.branch, self.head)
        return self.head

    def propose(self, branch: str, files: Mapping[str, str], message: str, expected: str) -> str:
        """Put one commit on top of the fetched head onto another branch, if that still is where it was read.

        Args:
            branch: the branch that gets it.
            files: path -> text.
            message: of the commit.
            expected: what `tip` said about that branch.

        Raises:
            HeadMovedError: somebody else pushed there in between.
            AccessError, TransientError, DataError: the push was refused for another reason.
        """
        return self._push(self._write(files, message), branch, expected)

    def _write(self, files: Mapping[str, str], message: str) -> str:
        self._git("read-tree", self.head)
        for path, text in files.items():
            blob = self._git("hash-object", "-w", "--stdin", stdin=text.encode())
            self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = self._git("write-tree")
        return self._git("commit-tree", tree, "-p", self.head, "-F", "-", stdin=message.encode())

    def _push(self, commit: str, branch: str, expected: str) -> str:
        lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
        try:
            self._git("push", "--quiet", *self._receiver(), lease, self.url, f"{commit}:refs/heads/{branch}")
        except PipelineError as error:
            found = self.fetch() if branch == self.branch else self.tip(branch)
            if found == commit:
                return commit
            if found != expected:
                places = f"{branch} expected at {expected[:12] or 'nothing'}, found at {found[:12] or 'nothing'}"
                raise HeadMovedError(f"{redact(self.url)}: {places}") from error
            raise error
        return commit

    def _receiver(self) -> list[str]:
        """A local repository with a work tree takes pushes to its branch only if its files may follow."""
        if not (Path(self.url) / ".git").exists():
            return []
        return ["--receive-pack=git -c receive.denyCurrentBranch=updateInstead receive-pack"]


class HeadMovedError(TransientError):
    """The remote branch is not where it was read: fetch, look and try again."""


@contextlib.contextmanager
def open_branch(url: str, branch: str, release: ReleaseConfig | None = None) -> Iterator[Branch]:
    """Fetch a branch into a temporary repository that is gone at the end.

    Args:
        url: URL or path of the repository.
        branch: its branch.
        release: names the credential files; None: git's own configuration.

    Raises:
        ConfigError: the repository, the branch or a credential file does not exist.
        AccessError, TransientError: it cannot be read, or not now.
    """
    with tempfile.TemporaryDirectory(prefix="ctp-release-") as folder:
        scratch = Path(folder) / "scratch.git"
        env = IDENTITY | git_environment(release or ReleaseConfig(), url, Path(folder))
        run_git(["init", "--quiet", "--bare", "--template=", str(scratch)], Path(folder), env=env)
        opened = Branch(url, branch, scratch, env)
        opened.fetch()
        yield opened


def create_bare(path: Path, branch: str, files: Mapping[str, str]) -> None:
    """Make a bare repository whose branch holds these files, whole or not at all; an existing one is kept."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = Path(folder) / "made.git"
        env = IDENTITY | {"GIT_CONFIG_GLOBAL": os.devnull}
        run_git(["init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(made)], Path(folder), env=env)
        for file, text in files.items():
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
