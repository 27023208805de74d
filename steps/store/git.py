"""Running `git`: an argument list, never a shell, never a prompt, typed errors."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from steps.contract.errors import AccessError, ConfigError, DataError, PipelineError, TransientError

# What a calling git hook or a developer's shell sets would redirect every command to another repository.
_REDIRECTING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX")
# Git answers with an exit code (128 for nearly everything) and text. What tells one failure from another are the fixed
# sentences of git, libcurl and OpenSSH in the C locale, so whole lines are matched: a word or a number alone also stands
# in host names, paths, hashes, durations and in what a server's hook prints. The first row that fits a line counts.
_HTTP_STATUS = re.compile(
    r"(?:fatal: unable to access '.*': |error: RPC failed; HTTP \d{3} curl 22 )"
    r"(?:The requested URL returned error: (?P<status>\d{3})(?: .*)?"
    r"|Received HTTP code (?P<old_proxy>\d{3}) from proxy after CONNECT|CONNECT tunnel failed, response (?P<proxy>\d{3}))"
)
_SENTENCES: tuple[tuple[type[PipelineError], re.Pattern[str]], ...] = (
    (TransientError, re.compile(r"fatal: unable to (?:access '.*': .*|connect to .*|look up .*)")),
    (TransientError, re.compile(r"ssh: (?:connect to host \S+ port \d+: .*|Could not resolve hostname .*)")),
    (TransientError, re.compile(r"(?:kex_exchange_identification|banner exchange|client_loop|ssh_dispatch_run_fatal): .*")),
    (TransientError, re.compile(r"Connection (?:closed|reset|timed out)(?: by)? .*|Connection to \S+ closed by remote host\.")),
    (TransientError, re.compile(r"error: RPC failed; curl \d+ .*|fatal: (?:early EOF|fetch-pack: .*disconnect.*)")),
    (TransientError, re.compile(r"(?:remote: )?(?:fatal|error): .*: No space left on device")),
    (TransientError, re.compile(r"(?:remote: )?(?:fatal|error): (?:cannot lock ref '.*': .*|Unable to create '.*\.lock': File exists\.)")),
    (TransientError, re.compile(r"! \[remote rejected\] \S+ -> \S+ \((?:failed to update ref|cannot lock ref .*|failed to lock)\)")),
    (AccessError, re.compile(r"fatal: (?:Authentication failed for '.*'|could not read (?:Username|Password) for '.*': .*)")),
    (AccessError, re.compile(r"(?:\S+: )?Permission denied(?: \([a-z0-9,-]+\)\.|, please try again\.)|Host key verification failed\.")),
    (AccessError, re.compile(r"(?:remote: )?(?:fatal|error): (?:.*: Permission denied|insufficient permission for adding an object .*)")),
    (AccessError, re.compile(r"fatal: remote error: access denied or repository not exported: .*")),
    (ConfigError, re.compile(r"fatal: (?:repository '.*' (?:not found|does not exist)|'.*' does not appear to be a git repository)/?")),
    (ConfigError, re.compile(r"fatal: couldn't find remote ref .*|(?:fatal: remote error|ERROR): Repository not found\.")),
    (ConfigError, re.compile(r"(?:fatal|error): .*: No such file or directory")),
    (TransientError, re.compile(r"fatal: [Tt]he remote end hung up (?:unexpectedly|upon initial contact)")),  # Also follows the others.
)
_REMEDY = {
    AccessError: ": give this step a credential that may use the repository",
    ConfigError: ": check release.repository and release.branch",
}


def redact(text: str) -> str:
    """Hide `user:password@` of a URL."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without redirections, in English, with prompts off."""
    kept = {name: value for name, value in os.environ.items() if name not in _REDIRECTING}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", **(extra or {})}


def run_git(
    arguments: Sequence[str], cwd: Path, *, env: Mapping[str, str] | None = None, stdin: bytes | None = None, timeout_s: float = 300.0
) -> str:
    """Run one git command and return its standard output without the last newline.

    Raises:
        ConfigError: git is not installed, or a repository or branch does not exist.
        AccessError: the remote refuses the credentials.
        TransientError: the remote cannot be reached, or git ran out of time.
        DataError: any other refusal, with git's own line.
    """
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment(env), input=stdin or b"", capture_output=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError:
        raise ConfigError("git is not installed: add it to the image or to PATH") from None
    except subprocess.TimeoutExpired:
        raise TransientError(f"git {arguments[0]}: no end after {timeout_s:.0f} s: check the remote, then run the same again") from None
    if done.returncode:
        raise typed_error(arguments[0], done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode("utf-8").removesuffix("\n")


def typed_error(command: str, stderr: str) -> PipelineError:
    """The typed error of git's lines, with the one that decides and up to two more that say why."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("hint:")]
    kind, cause = _decide(lines)
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "! ")) and line != cause] or lines
    reasons = list(dict.fromkeys([cause, *telling] if cause else telling))[:3]
    message = redact(f"git {command}: {' | '.join(reasons) or 'failed without a message'}")
    if any(re.fullmatch(r"No user exists for uid \d+", line) for line in lines):
        return ConfigError(
            f"{message}: ssh refuses a user id without a name: run as the image's own 65532, or use https and release.token_file"
        )
    return kind(message + _REMEDY.get(kind, ""))


def _decide(lines: Sequence[str]) -> tuple[type[PipelineError], str]:
    """The type that git's lines mean and the line that says so; DataError and "" where none is a known sentence."""
    for line in lines:
        if answer := _HTTP_STATUS.fullmatch(line):
            return _of_status(int(answer["status"] or answer["old_proxy"] or answer["proxy"])), line
    for kind, sentence in _SENTENCES:
        for line in lines:
            if sentence.fullmatch(line):
                return kind, line
    return DataError, ""


def _of_status(status: int) -> type[PipelineError]:
    """The type that an HTTP status means."""
    if status in (401, 403, 407):
        return AccessError
    if status in (404, 410):
        return ConfigError
    return TransientError if status in (408, 429) or status >= 500 else DataError
