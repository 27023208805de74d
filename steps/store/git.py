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
# Git gives a text and nothing else. These are fixed sentences of git, libcurl and OpenSSH in the C locale, matched as
# whole shapes on lines without their quoted parts, so that no duration, port, host, hash or path decides anything.
_HTTP_STATUS = re.compile(r"(?:The requested URL returned error: |\bHTTP )(?P<status>\d{3})\b")
_TRANSIENT = re.compile(
    r"Could not resolve host|Failed to connect to|Connection (?:refused|reset|timed out|closed)|Couldn't connect to server"
    r"|Network is unreachable|Operation timed out|timed out after|early EOF|[Tt]he remote end hung up|Empty reply from server"
    r"|No space left on device|index\.lock|[Cc]annot lock ref|Recv failure|Send failure|RPC failed"
)
_ACCESS = re.compile(
    r"Authentication failed for|Permission denied(?: \(|,|$)|Host key verification failed|could not read (?:Username|Password) for"
    r"|HTTP Basic: Access denied|access denied or repository not exported"
)
_MISSING = re.compile(
    r"does not appear to be a git repository|[Rr]epository .*not found|couldn't find remote ref|does not exist|No such file or directory"
)


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
    """The typed error of a failed command, from the fixed sentences that git prints."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("hint:")]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", " ! ", "! "))] or lines
    line = redact(f"git {command}: {' | '.join(telling[:3]) or 'failed without a message'}")
    if "No user exists for uid" in stderr:
        return ConfigError(
            f"{line}: ssh refuses a user id without a name: run as the image's own 65532, or use https and release.token_file"
        )
    text = "\n".join(re.sub(r"'[^']*'|\"[^\"]*\"", "", part) for part in lines)
    status = int(match["status"]) if (match := _HTTP_STATUS.search(text)) else 0
    if status in (401, 403):
        return AccessError(f"{line}: give this step a credential that may use the repository")
    if status == 429 or status >= 500 or (not status and _TRANSIENT.search(text) and not _ACCESS.search(text)):
        return TransientError(line)
    if _ACCESS.search(text):
        return AccessError(f"{line}: give this step a credential that may use the repository")
    if status == 404 or _MISSING.search(text):
        return ConfigError(f"{line}: check release.repository and release.branch")
    return TransientError(line) if "unable to access" in text else DataError(line)
