"""One commit that moves pin and agent manifest, forward (`release`) or back (`withdraw`); each may be repeated.

`release` refuses a manifest that names another model than the pin: a person must say which is right. `withdraw`
corrects the manifest instead, since a bad model must not stay pinned for that.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from steps.contract.errors import ConfigError, DataError, TransientError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.spec import StepContext
from steps.release.agent_manifest import INITIAL_AGENT, Agent, agent_path, check_agreement, next_agent, parse_agent
from steps.release.model_pin import INITIAL, Pin, parse_pin, pin_of, pin_path, replace_pin
from steps.release.pull_request import propose
from steps.store.git import redact
from steps.store.git_branch import Branch, HeadMovedError, create_bare, open_branch

_TRIES = 6
T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """The commit that holds a pin.

    Attributes:
        commit: the new commit, or the existing one when nothing changed.
        previous_commit: the branch before it.
        changed: whether a commit was made.
        previous_version: the version pinned before; None: none was.
        branch: where the commit is: `release.branch`, or in pull-request mode the branch that waits to be merged.
    """

    commit: str
    previous_commit: str
    changed: bool
    previous_version: int | None
    branch: str


@dataclass(frozen=True)
class Files:
    """Pin and manifest of an environment as the branch has them; the manifest is None where there is none yet."""

    pin_file: str
    agent_file: str
    text: str
    manifest: str | None
    pin: Pin


def repository_url(ctx: StepContext) -> str:
    """The configured repository, or a bare one in the work folder, made on first use with nothing released."""
    release = ctx.config.release
    if release.repository:
        # A relative path is the caller's; git itself runs in a temporary folder.
        local = Path(release.repository).expanduser()
        return str(local.resolve()) if local.is_dir() else release.repository
    path, name = (ctx.workdir / "gitops.git").resolve(), ctx.config.model_name
    files = {
        pin_path(release.environment): INITIAL.format(name=name),
        agent_path(release.environment): INITIAL_AGENT.format(name=name, version=0),
    }
    create_bare(path, release.branch, files)
    return str(path)


@contextmanager
def checkout(ctx: StepContext) -> Iterator[Branch]:
    """The branch that Argo CD follows."""
    with open_branch(repository_url(ctx), ctx.config.release.branch, ctx.config.release) as branch:
        yield branch


def current_pin(ctx: StepContext) -> Pin:
    """What the environment's pin says now.

    Raises:
        ConfigError: the repository, branch or pin file does not exist.
        DataError: the pin file is malformed.
    """
    return current(ctx)[0]


def current(ctx: StepContext) -> tuple[Pin, Agent | None]:
    """What pin and agent manifest of the environment say now; None where there is no manifest yet.

    Raises:
        ConfigError: the repository, branch or pin file does not exist.
        DataError: a file is malformed.
    """
    with checkout(ctx) as branch:
        files = read_files(branch, ctx.config.release.environment)
        return files.pin, parse_agent(files.manifest, files.agent_file) if files.manifest is not None else None


def read_files(branch: Branch, environment: str) -> Files:
    """Read both files at the branch's head.

    Raises:
        ConfigError: there is no pin file.
        DataError: it is malformed.
    """
    path, agent_file = pin_path(environment), agent_path(environment)
    text = branch.read(path)
    if text is None:
        raise ConfigError(f"{path}: not in branch {branch.branch} of {redact(branch.url)}: commit a pin file with version 0 first")
    return Files(path, agent_file, text, branch.read(agent_file), parse_pin(text, path))


def release(
    ctx: StepContext,
    model: ModelRef,
    artifact: ArtifactRef,
    *,
    approved_by: str,
    expected: ModelRef | None = None,
    verdict: ArtifactRef | None = None,
    repair: bool = False,
) -> Change:
    """Pin a model.

    Args:
        ctx: configuration and work folder.
        model: the version to pin.
        artifact: its files.
        approved_by: who decided it; signs the commit off.
        expected: what must be pinned now; None: anything.
        verdict: the gate's verdict, named in the commit message.
        repair: a manifest that disagrees with the pin is put right, not refused.

    Raises:
        DataError: another version is pinned than expected, manifest and pin disagree, or a file is malformed.
        ConfigError, AccessError, TransientError: the repository does not fit or cannot be written.
    """
    signer = _signer(approved_by)
    target = pin_of(model, artifact)

    def attempt(branch: Branch) -> Change:
        files = read_files(branch, ctx.config.release.environment)
        pinned = files.pin
        if not repair:
            check_agreement(files.manifest, pinned, files.agent_file)
        if pinned == target and files.manifest is not None and parse_agent(files.manifest, files.agent_file).agrees(target):
            return _already(branch, files.pin_file)
        if pinned != target and expected is not None and (pinned.name, pinned.version) != (expected.name, expected.version):
            clash = f"{files.pin_file}: expected {expected} pinned, found {pinned.label}"
            raise DataError(f"{clash}: look at what was released since, then decide anew")
        facts = {"Model": str(artifact), "Verdict": str(verdict or ""), "Replaces": pinned.label}
        environment = ctx.config.release.environment
        subject = f"release {target.label} to {environment}"
        if pinned == target:
            subject = f"let the agent manifest of {environment} follow {target.label}"
        return _put(ctx, branch, files, target, subject, facts, signer)

    return with_retries(ctx, attempt)


def withdraw(ctx: StepContext, version: int, *, back_to: int | None, otherwise: Pin | None, reason: str, approved_by: str) -> Change | None:
    """Take a version out of the pin, if it still stands there.

    Args:
        ctx: configuration and work folder.
        version: what must not be pinned any more.
        back_to: the version to restore, in the very words of the newest commit that pinned it; None: whatever
            `version` replaced.
        otherwise: the pin to restore if no commit pinned that one.
        reason: one line for the commit message.
        approved_by: who decided it; signs the commit off.

    Returns:
        None when something else is pinned: somebody was faster.

    Raises:
        DataError: no commit of the branch says what the version replaced.
        ConfigError, AccessError, TransientError: as for `release`.
    """
    signer = _signer(approved_by)

    def attempt(branch: Branch) -> Change | None:
        files = read_files(branch, ctx.config.release.environment)
        if files.pin.version != version:
            return None
        target = _earlier(branch, files.pin_file, version, back_to) or otherwise
        if target is None:
            raise DataError(f"{files.pin_file}: no commit says what version {version} replaced: pin a version by hand (ctp rollback --to)")
        facts = {"Reason": " ".join(reason.split()), "Restores": target.label}
        return _put(ctx, branch, files, target, f"revert {files.pin.label} in {ctx.config.release.environment}", facts, signer)

    return with_retries(ctx, attempt)


def _earlier(branch: Branch, path: str, version: int, wanted: int | None) -> Pin | None:
    """The newest earlier pin of the wanted version, or (None) of any other version than this one."""
    for sha in branch.history(path):
        try:
            pin = parse_pin(branch.read(path, sha) or "", path)
        except DataError:  # A mistake of the past: somebody has corrected it since.
            continue
        if pin.version != version and wanted in (None, pin.version):
            return pin
    return None


def with_retries(ctx: StepContext, attempt: Callable[[Branch], T]) -> T:
    """Read, decide and push again while others push in between.

    Raises:
        TransientError: others pushed six times in a row.
    """
    with checkout(ctx) as branch:
        for turn in range(_TRIES):
            try:
                return attempt(branch)
            except HeadMovedError:
                branch.fetch()
                time.sleep(random.uniform(0, 0.2 * 2**turn))
        raise TransientError(f"{redact(branch.url)}: others pushed to {branch.branch} {_TRIES} times in a row: run the same command again")


def _put(ctx: StepContext, branch: Branch, files: Files, target: Pin, subject: str, facts: dict[str, str], signer: str) -> Change:
    """One commit with the new pin and the manifest that belongs to it: on the branch, or proposed beside it."""
    manifest = next_agent(files.manifest, target, files.agent_file)
    facts = {"Run": ctx.run_id, **facts, "Agent-Version": str(parse_agent(manifest, files.agent_file).version)}
    message = _message(subject, facts, signer)
    texts = {files.pin_file: replace_pin(files.text, target, files.pin_file), files.agent_file: manifest}
    before, previous = branch.head, files.pin.version or None
    if ctx.config.release.mode == "pull-request":
        name, commit, changed = propose(branch, ctx.config.release.environment, target, texts, message)
        return Change(commit=commit, previous_commit=before, changed=changed, previous_version=previous, branch=name)
    commit = branch.replace(texts, message)
    return Change(commit=commit, previous_commit=before, changed=True, previous_version=previous, branch=branch.branch)


def _already(branch: Branch, path: str) -> Change:
    """The commit that wrote the pin as it stands."""
    last = branch.last_change(path)
    if last is None:
        raise DataError(f"{path}: no commit of {branch.branch} wrote it")
    before = parse_pin(last.before, path) if last.before else None
    previous = before.version or None if before else None
    return Change(commit=last.sha, previous_commit=last.parent, changed=False, previous_version=previous, branch=branch.branch)


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
