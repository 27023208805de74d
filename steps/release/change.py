"""Moving the pin forward (`release`) and back (`revert`), each as one commit that can be repeated."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from steps.core.git import redact
from steps.core.refs import ModelRef
from steps.core.spec import StepContext
from steps.errors import ConfigError, DataError, TransientError
from steps.release.gitrepo import Branch, HeadMovedError, create_bare, open_branch
from steps.release.pin import INITIAL, Pin, parse_pin, pin_of, pin_path, replace_pin
from steps.release.step import Params, Result

_TRIES = 6


def repository_url(ctx: StepContext) -> str:
    """The configured repository, or a bare one in the work folder, made on first use with nothing released."""
    release = ctx.config.release
    if release.repository:
        # A relative path is the caller's; git itself runs in a temporary folder.
        local = Path(release.repository).expanduser()
        return str(local.resolve()) if local.is_dir() else release.repository
    path = (ctx.workdir / "gitops.git").resolve()
    create_bare(path, release.branch, pin_path(release.environment), INITIAL.format(name=ctx.config.model_name))
    return str(path)


def current_pin(ctx: StepContext) -> Pin:
    """What the environment's pin says now.

    Raises:
        ConfigError: the repository, branch or pin file does not exist.
        DataError: the pin file is malformed.
    """
    path = pin_path(ctx.config.release.environment)
    with open_branch(repository_url(ctx), ctx.config.release.branch) as branch:
        return parse_pin(_text(branch, path), path)


def release(params: Params, ctx: StepContext) -> Result:
    """Pin a model; see `steps.release.step.run`."""
    expected = ModelRef.model_validate(params.expected_current) if params.expected_current else None
    signer = _signer(params.approved_by)
    target = pin_of(params.model, params.artifact)
    path = pin_path(ctx.config.release.environment)

    def attempt(branch: Branch) -> Result:
        text = _text(branch, path)
        found = parse_pin(text, path)
        if found == target:
            return _already(branch, path)
        if expected is not None and (found.name, found.version) != (expected.name, expected.version):
            raise DataError(f"{path}: expected {expected} pinned, found {found.label}: look at what was released since, then decide anew")
        facts = {"Run": ctx.run_id, "Model": str(params.artifact), "Verdict": str(params.verdict or ""), "Replaces": found.label}
        message = _message(f"release {target.label} to {ctx.config.release.environment}", facts, signer)
        before = branch.head
        commit = branch.replace(path, replace_pin(text, target, path), message)
        return Result(commit=commit, previous_commit=before, changed=True, previous_version=found.version or None)

    return _with_retries(ctx, attempt)


def revert(ctx: StepContext, commit: str, *, reason: str, approved_by: str) -> Result:
    """Undo one release commit with a new commit that restores the pin it replaced.

    If the pin it replaced stands there already, nothing changes.

    Args:
        ctx: configuration and work folder.
        commit: the release commit, as `Result.commit` names it.
        reason: one line for the commit message.
        approved_by: who decided it; signs the commit off.

    Raises:
        DataError: the commit did not change the pin, or something else was released since.
        ConfigError, AccessError, TransientError: as for `release`.
    """
    signer = _signer(approved_by)
    path = pin_path(ctx.config.release.environment)

    def attempt(branch: Branch) -> Result:
        undone = branch.commit(commit, path)
        if not undone.before or undone.before == undone.after:
            raise DataError(f"{path}: commit {commit[:12]} did not replace a pin: name a release commit")
        target, released = parse_pin(undone.before, path), parse_pin(undone.after, path)
        text = _text(branch, path)
        found = parse_pin(text, path)
        if found == target:
            return _already(branch, path)
        if found != released:
            clash = f"{path}: expected {released.label}, pinned by {commit[:12]}, found {found.label}"
            raise DataError(f"{clash}: revert the newest release instead")
        facts = {"Run": ctx.run_id, "Reason": " ".join(reason.split()), "Reverts": undone.sha, "Restores": target.label}
        message = _message(f"revert {released.label} in {ctx.config.release.environment}", facts, signer)
        before = branch.head
        made = branch.replace(path, replace_pin(text, target, path), message)
        return Result(commit=made, previous_commit=before, changed=True, previous_version=found.version or None)

    return _with_retries(ctx, attempt)


def _with_retries(ctx: StepContext, attempt: Callable[[Branch], Result]) -> Result:
    """Read, decide and push again while others push in between."""
    with open_branch(repository_url(ctx), ctx.config.release.branch) as branch:
        for turn in range(_TRIES):
            try:
                return attempt(branch)
            except HeadMovedError:
                time.sleep(random.uniform(0, 0.2 * 2**turn))
        raise TransientError(f"{redact(branch.url)}: others pushed to {branch.branch} {_TRIES} times in a row: run the same command again")


def _text(branch: Branch, path: str) -> str:
    text = branch.read(path)
    if text is None:
        raise ConfigError(f"{path}: not in branch {branch.branch} of {redact(branch.url)}: commit a pin file with version 0 first")
    return text


def _already(branch: Branch, path: str) -> Result:
    """The result when the pin says so already: the commit that made it so."""
    last = branch.last_change(path)
    if last is None:
        raise DataError(f"{path}: no commit of {branch.branch} wrote it")
    before = parse_pin(last.before, path) if last.before else None
    return Result(commit=last.sha, previous_commit=last.parent, changed=False, previous_version=before.version or None if before else None)


def _message(subject: str, facts: dict[str, str], signer: str) -> str:
    body = "".join(f"{key}: {value}\n" for key, value in facts.items() if value)
    return f"{subject}\n\n{body}\nSigned-off-by: {signer}\n"


def _signer(approved_by: str) -> str:
    """The approver as one line.

    Raises:
        DataError: nobody is named, or the name holds control characters.
    """
    name = approved_by.strip()
    if not name or not name.isprintable():
        raise DataError("approved_by: a release needs the name of who approved it, on one line")
    return name
