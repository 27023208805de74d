"""What a Rollout's state means for the Git pin and the champion alias: reading it, deciding (pure), doing it.

The Rollout says which model version its newest pods run in the label or annotation `ctp.model-version` of
its pod template; the deployment sets it from the same pin. Without it nothing is done: a Rollout that is
Healthy before Argo CD has seen a new pin is healthy with the old model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from steps.core.refs import ModelRef
from steps.core.spec import StepContext
from steps.errors import DataError
from steps.release.reconcile import Params, Result

if TYPE_CHECKING:
    from steps.core.clients import RegistryClient

VERSION_KEY = "ctp.model-version"
Phase = Literal["Healthy", "Progressing", "Paused", "Degraded", "Unknown"]


@dataclass(frozen=True)
class Seen:
    """A Rollout as it is: its phase, the version of its newest pods (None: it does not say), and why."""

    phase: Phase
    version: int | None
    reason: str


def read_rollout(document: Mapping[str, Any]) -> Seen:
    """Read a Rollout object.

    A status older than the specification counts as Unknown.

    Raises:
        DataError: it is no Rollout, or its version is no number.
    """
    if document.get("kind") != "Rollout" or not isinstance(document.get("spec"), Mapping):
        raise DataError("the status is no Rollout object: pass what `kubectl get rollout NAME -o json` prints")
    status = document.get("status") or {}
    template = ((document["spec"].get("template") or {}).get("metadata")) or {}
    text = str((template.get("labels") or {}).get(VERSION_KEY) or (template.get("annotations") or {}).get(VERSION_KEY) or "")
    if text and not text.isdigit():
        raise DataError(f"the Rollout's {VERSION_KEY} {text[:40]!r} is no version number: the deployment must set it from the pin")
    version = int(text) if text else None
    message = " ".join(str(status.get("message") or "").split())[:300]
    generation = (document.get("metadata") or {}).get("generation")
    if generation is not None and str(status.get("observedGeneration", "")) != str(generation):
        return Seen("Unknown", version, "the controller has not seen the newest specification yet")
    phase = "Degraded" if status.get("abort") else status.get("phase")
    known: tuple[Phase, ...] = ("Healthy", "Progressing", "Paused", "Degraded")
    for name in known:
        if phase == name:
            return Seen(name, version, message or f"the Rollout is {name}")
    return Seen("Unknown", version, message or f"the Rollout's phase is {str(phase)[:40]!r}")


def decide(seen: Seen, pinned: int, champion: int | None) -> tuple[Literal["none", "promote", "revert", "abort"], str]:
    """What to do, and why.

    Args:
        seen: the Rollout.
        pinned: version in Git; 0: none.
        champion: version that the alias names; None: none.
    """
    version = seen.version
    if version is None:
        return "none", f"the Rollout does not say which version it runs ({VERSION_KEY} is not set)"
    if seen.phase == "Healthy":
        if version != pinned:
            return "none", f"version {version} is healthy, version {pinned} is pinned: Argo CD has not rolled it out yet"
        if champion == version:
            return "none", f"version {version} is healthy, pinned and champion"
        return "promote", f"version {version} is healthy and pinned"
    if seen.phase == "Degraded":
        if champion == version:
            return (
                "none",
                f"the champion, version {version}, is degraded ({seen.reason}): look, or put the previous one back (ctp rollback)",
            )
        if pinned == version:
            return "revert", f"version {version} failed: {seen.reason}"
        return "abort", f"version {version} failed and is not pinned any more: {seen.reason}"
    return "none", f"{seen.phase}: {seen.reason}"


def agree(params: Params, ctx: StepContext) -> Result:
    """Look, decide, do; see `steps.release.reconcile.run`."""
    from steps.core import clients
    from steps.registry.alias import champion
    from steps.release.change import current_pin

    document = params.status or clients.rollout(params.namespace, params.rollout)
    seen = read_rollout(document)
    client, name = clients.registry(ctx.config, ctx.workdir), ctx.config.model_name
    pin, serving = current_pin(ctx), champion(client, name)
    decision, reason = decide(seen, pin.version, serving.version if serving else None)
    action: Literal["none", "promoted", "reverted"] = "none"
    commit = ""
    if decision == "promote":
        _promote(client, name, pin.version, serving)
        action = "promoted"
    elif decision == "revert":
        commit, action = _revert(ctx, pin.version, seen.reason), "reverted"
    if decision in ("revert", "abort") and seen.version is not None:
        _abort(client, name, seen.version, seen.reason)
    return Result(
        rollout_phase=seen.phase,
        observed=seen.version,
        action=action,
        reason=reason,
        champion=champion(client, name),
        pinned=current_pin(ctx).ref,
        commit=commit,
    )


def _promote(client: RegistryClient, name: str, version: int, serving: ModelRef | None) -> None:
    from steps.registry.alias import promote

    promote(client, name, version, serving.version if serving else None)


def _revert(ctx: StepContext, version: int, reason: str) -> str:
    """Undo the commit that pinned this version.

    Raises:
        DataError: the newest commit of the pin is not the one that pinned it.
    """
    from steps.release.change import repository_url, revert
    from steps.release.gitrepo import open_branch
    from steps.release.pin import parse_pin, pin_path

    path = pin_path(ctx.config.release.environment)
    with open_branch(repository_url(ctx), ctx.config.release.branch) as branch:
        last = branch.last_change(path)
    if last is None or not last.before or parse_pin(last.after, path).version != version:
        raise DataError(f"{path}: its newest commit does not say what version {version} replaced: pin a version by hand (ctp rollback)")
    return revert(ctx, last.sha, reason=reason, approved_by="ctp reconcile").commit


def _abort(client: RegistryClient, name: str, version: int, reason: str) -> None:
    """Mark the version as aborted, once."""
    from steps.registry.alias import ABORTED, abort

    if ABORTED not in client.tags(name, version):
        abort(client, name, version, reason)
