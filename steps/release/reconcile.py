"""Step `reconcile`: make Git pin, agent manifest and champion alias agree with what the Rollout ended as.

Level-triggered: it looks at how things are, not at what happened, so it may run at any time,
twice, at once with another, or after hours of silence.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from steps.cluster.argo import rollout
from steps.contract.errors import DataError
from steps.contract.refs import ArtifactRef, FromJson, Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.release import incident_record as metering
from steps.release.change import current, release, withdraw
from steps.release.incident import Timeline
from steps.release.model_pin import Pin, pin_of
from steps.release.rollout_status import VERSION_KEY, Phase, Seen, read_rollout
from steps.store import registry as clients
from steps.store.aliases import ABORTED, abort, champion, model_uri, promote, set_candidate

if TYPE_CHECKING:
    from steps.store.registry import RegistryClient

Action = Literal["none", "promoted", "reverted", "proposed", "repaired", "retried"]


class Params(Frozen):
    """Where the Rollout is."""

    status: Annotated[dict[str, Any], FromJson] = Field(
        default={}, description="the Rollout as JSON, as `kubectl get rollout -o json` prints it; empty: ask the Kubernetes API"
    )
    namespace: str = Field(default="", description="of the Rollout; empty: `release.rollout_namespace`")
    rollout: str = Field(default="", description="its name; empty: `release.rollout`")


class Result(Frozen):
    """What was found and done."""

    rollout_phase: Phase = Field(description="Healthy, Progressing, Paused, Degraded, Unknown, or Absent where there is no Rollout")
    observed: int | None = Field(description="model version that the Rollout's newest pods run; None when it does not say")
    action: Action = Field(
        description=(
            "`promoted`: the champion moved. `reverted`: the pin went back. `proposed`: a branch that puts it back "
            "waits to be merged. `repaired`: the manifest follows the pin again. `retried`: an aborted version is a "
            "candidate again, since somebody had it tried again. Else `none`"
        )
    )
    reason: str = Field(description="one line")
    champion: ModelRef | None = Field(description="after this run")
    pinned: ModelRef | None = Field(description="after this run; None before the first release")
    commit: str = Field(description="of a revert, proposal or repair; empty otherwise")
    branch: str = Field(default="", description="that holds the commit")
    timeline: Timeline | None = Field(default=None, description="of the abort or rollback that went on or ended in this run")
    warning: str = Field(default="", description="what of it took longer than `release.rollback_limit_s`; empty: nothing")


def run(params: Params, ctx: StepContext) -> Result:
    """Promote what is healthy and pinned; revert and abort what was pinned and degraded; leave the rest.

    Raises:
        DataError: the status is no Rollout's, or pin and registry contradict each other.
        ConfigError, AccessError, TransientError: Git, the registry or the Kubernetes API cannot be used.
    """
    config = ctx.config.release
    namespace, rollout_name = params.namespace or config.rollout_namespace, params.rollout or config.rollout
    # The Rollout first: what is read later can only be newer, and a newer pin is never judged by an older Rollout.
    seen = read_rollout(params.status or rollout(namespace, rollout_name))
    client, name = clients.registry(ctx.config, ctx.workdir), ctx.config.model_name
    (pin, manifest), serving = current(ctx), champion(client, name)
    aborted = _known(client, name, seen.version) and ABORTED in client.tags(name, seen.version or 0)
    decision, reason = decide(seen, pin.version, serving.version if serving else None, aborted=aborted)
    action: Action = "none"
    commit, branch, timeline = "", "", None
    if decision in ("promote", "agreed") and manifest is not None and not manifest.agrees(pin):
        commit, branch, action = *_repair(ctx, pin), "repaired"
    if decision == "promote":
        _promote(client, name, pin.version, serving)
        action = "promoted"
    elif decision == "retried":
        set_candidate(client, name, pin.version)
        metering.abandoned(ctx, client, pin.version)
        action = "retried"
    elif decision in ("revert", "abort"):
        begun = metering.begun(ctx, seen, serving, namespace, rollout_name, offline=bool(params.status))
        if decision == "revert":
            commit, branch, changed = _revert(ctx, client, serving, pin.version, seen.reason)
            proposed = branch != config.branch
            action = ("proposed" if proposed else "reverted") if changed else "none"
            reason += f"; waits for the merge of {branch}" if proposed else ""
            begun = metering.reverted(begun, commit, merged=not proposed)
        metering.opened(client, begun)
        _abort(client, name, seen.version or 0, seen.reason)
        timeline = metering.kept(ctx, client, begun.add("alias_back", datetime.now(UTC)))
    if decision in ("agreed", "promote"):
        timeline = metering.finished(ctx, client, seen)
    (pin, _), now = current(ctx) if commit else (pin, manifest), champion(client, name)
    return Result(
        rollout_phase=seen.phase,
        observed=seen.version,
        action=action,
        reason=reason,
        champion=now,
        pinned=pin.ref,
        commit=commit if action != "none" else "",
        branch=branch if action != "none" else "",
        timeline=timeline,
        warning=timeline.warning() if timeline else "",
    )


log = logging.getLogger("ctp")


Decision = Literal["none", "agreed", "promote", "revert", "abort", "retried"]
APPROVER = "ctp reconcile"


def decide(seen: Seen, pinned: int, champion: int | None, *, aborted: bool = False) -> tuple[Decision, str]:
    """What to do, and why.

    Args:
        seen: the Rollout.
        pinned: version in Git; 0: none.
        champion: version that the alias names; None: none.
        aborted: whether the Rollout's version carries the tag of an abort.
    """
    version, what = seen.version, f"version {seen.version}"
    if seen.phase == "Absent":
        return "none", seen.reason
    if version is None:
        return "none", f"the Rollout does not say which version it runs ({VERSION_KEY} is not set)"
    if seen.phase == "Healthy":
        if version != pinned:
            return "none", f"{what} is healthy, version {pinned} is pinned: Argo CD has not rolled it out yet"
        return (
            ("agreed", f"{what} is healthy, pinned and champion") if champion == version else ("promote", f"{what} is healthy and pinned")
        )
    if seen.phase == "Degraded":
        if champion == version:
            return "none", f"the champion, {what}, is degraded ({seen.reason}): look, or put the previous one back (ctp rollback)"
        if pinned == version:
            return "revert", f"{what} failed: {seen.reason}"
        failed = f"{what} failed and is not pinned any more: {seen.reason}"
        return ("none", failed) if aborted else ("abort", failed)
    if aborted and pinned == version and seen.phase in ("Progressing", "Paused"):
        if champion is not None and champion > version:
            # Older pods than the stable ones: Rollouts may bring them back without analysis.
            return "none", f"{what} was aborted and is older than the champion, version {champion}: this is no retry, register it again"
        return "retried", f"{what} was aborted and is tried again: {seen.reason}"
    return "none", f"{seen.phase}: {seen.reason}"


def _known(client: RegistryClient, name: str, version: int | None) -> bool:
    """Whether the registry has the version: a person may pin one that this registry never saw."""
    if version is None:
        return False
    try:
        client.tags(name, version)
    except DataError:
        return False
    return True


def _promote(client: RegistryClient, name: str, version: int, serving: ModelRef | None) -> None:
    promote(client, name, version, serving.version if serving else None)


def _revert(ctx: StepContext, client: RegistryClient, serving: ModelRef | None, version: int, reason: str) -> tuple[str, str, bool]:
    """Pin what runs: the champion; where there is none, what this version replaced. Returns commit, branch, whether it was made now."""
    back_to = serving.version if serving else None
    done = withdraw(ctx, version, back_to=back_to, otherwise=_registered_pin(client, serving), reason=reason, approved_by=APPROVER)
    return (done.commit, done.branch, done.changed) if done else ("", ctx.config.release.branch, False)


def _registered_pin(client: RegistryClient, ref: ModelRef | None) -> Pin | None:
    """The pin of a version as the registry knows it; None where it does not."""
    try:
        return pin_of(ref, model_uri(client, ref)) if ref else None
    except DataError:
        return None


def _repair(ctx: StepContext, pin: Pin) -> tuple[str, str]:
    """Let the manifest name the pinned model, which is healthy. Returns commit and branch."""
    model, artifact = ModelRef(name=pin.name, version=pin.version), ArtifactRef(uri=pin.uri, sha256=pin.sha256)
    done = release(ctx, model, artifact, approved_by=APPROVER, expected=model, repair=True)
    return done.commit, done.branch


def _abort(client: RegistryClient, name: str, version: int, reason: str) -> None:
    """Mark the version as aborted, once."""
    if _known(client, name, version) and ABORTED not in client.tags(name, version):
        abort(client, name, version, reason)
