"""Step `reconcile`: make Git pin, agent manifest and champion alias follow what the Rollout ended as.

It looks at how things are, not at what happened, so it may run at any time, twice, at once with another, after hours
of silence, or again after a kill: the pin moves by compare-and-set on the branch, the alias by compare-and-set on the
champion, and what is done already is left alone. `steps.release.rollout_state` says which fields of the Rollout count.
With the Rollout handed in, no cluster is asked for anything.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from steps.cluster.argo import analysis_runs, rollout
from steps.contract.errors import DataError, PipelineError
from steps.contract.refs import ArtifactRef, FromJson, Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.release.agent_manifest import Agent
from steps.release.change import current, release, withdraw
from steps.release.incident import Breach, Timeline, find_breach, open_timeline
from steps.release.incident_record import close_incidents, close_retried, mark_open, read_open, update_incident
from steps.release.model_pin import Pin, pin_of
from steps.release.rollout_state import VERSION_KEY, RolloutPhase, RolloutState, read_rollout
from steps.store.aliases import ABORTED, abort, champion, model_uri, promote, set_candidate
from steps.store.registry import RegistryClient, open_registry

log = logging.getLogger("ctp")

Action = Literal["none", "promoted", "reverted", "proposed", "repaired", "retried"]
Decision = Literal["none", "agreed", "promote", "revert", "abort", "retried"]
APPROVER = "ctp reconcile"


class Params(Frozen):
    """Where the Rollout is."""

    status: Annotated[dict[str, Any], FromJson] = Field(
        default={}, description="the Rollout as JSON, as `kubectl get rollout NAME -o json` prints it; empty: ask the Kubernetes API"
    )
    namespace: str = Field(default="", description="namespace of the Rollout; empty: release.rollout_namespace")
    rollout: str = Field(default="", description="name of the Rollout; empty: release.rollout")


class Result(Frozen):
    """How things are after this run."""

    rollout_phase: RolloutPhase = Field(description="phase of the Rollout; Absent where there is none")
    observed: int | None = Field(description="model version that the Rollout's newest pods run; null when it does not say")
    action: Action = Field(
        description="promoted: the champion moved; reverted: the pin went back; proposed: a branch that puts it back waits to be merged; "
        "repaired: the manifest follows the pin again; retried: an aborted version is tried again and a candidate again; else none"
    )
    reason: str = Field(description="why, one line")
    champion: ModelRef | None = Field(description="the champion; null before the first")
    pinned: ModelRef | None = Field(description="the pinned version; null before the first release")
    commit: str = Field(description="commit of a revert, proposal or repair; empty otherwise")
    branch: str = Field(default="", description="branch that holds the commit")
    timeline: Timeline | None = Field(default=None, description="incident that is open or ended in this run; null: there is none")
    warning: str = Field(default="", description="what of the incident took longer than release.rollback_limit_s; empty: nothing")


@dataclass(frozen=True)
class Situation:
    """Rollout, Git and registry at one moment.

    Attributes:
        ctx: configuration and work folder.
        client: the registry.
        state: the Rollout.
        pin: what Git pins.
        manifest: the agent manifest; None: there is none.
        champion: the version that the alias names; None: none.
        aborted: whether the Rollout's version carries the tag of an abort.
        breach: when and where analysis saw a breach; None: it did not, or nobody asked.
    """

    ctx: StepContext
    client: RegistryClient
    state: RolloutState
    pin: Pin
    manifest: Agent | None
    champion: ModelRef | None
    aborted: bool
    breach: Breach | None


@dataclass(frozen=True)
class Effect:
    """What was done; `note` is added to the reason."""

    action: Action = "none"
    commit: str = ""
    branch: str = ""
    timeline: Timeline | None = None
    note: str = ""


def run(params: Params, ctx: StepContext) -> Result:
    """Promote what is healthy and pinned; revert and abort what was pinned and degraded; leave the rest.

    Raises:
        DataError: the status is no Rollout's, or pin and registry contradict each other.
        ConfigError, AccessError, TransientError: Git, the registry or the Kubernetes API cannot be used.
    """
    config = ctx.config.release
    namespace, name = params.namespace or config.rollout_namespace, params.rollout or config.rollout
    # The Rollout first: what is read later can only be newer, and a newer pin is never judged by an older Rollout.
    state = read_rollout(params.status or rollout(namespace, name))
    client = open_registry(ctx.config, ctx.workdir)
    pin, manifest = current(ctx)
    serving = champion(client, ctx.config.model_name)
    aborted = ABORTED in (_tags(client, ctx.config.model_name, state.version) or {})
    decision, reason = decide(state, pin.version, serving.version if serving else None, aborted=aborted)
    breach = _ask_breach(namespace, name, state) if decision in ("revert", "abort") and not params.status else None
    effect = _act(decision, Situation(ctx, client, state, pin, manifest, serving, aborted, breach))
    line = effect.timeline
    return Result(
        rollout_phase=state.phase,
        observed=state.version,
        action=effect.action,
        reason=reason + effect.note,
        champion=champion(client, ctx.config.model_name),
        pinned=(current(ctx)[0] if effect.commit else pin).ref,
        commit=effect.commit,
        branch=effect.branch,
        timeline=line,
        warning=line.warning() if line else "",
    )


def decide(state: RolloutState, pinned: int, champion: int | None, *, aborted: bool = False) -> tuple[Decision, str]:
    """What to do, and why. Pure.

    Args:
        state: the Rollout.
        pinned: version in Git; 0: none.
        champion: version that the alias names; None: none.
        aborted: whether the Rollout's version carries the tag of an abort.
    """
    version, what = state.version, f"version {state.version}"
    if state.phase == "Absent":
        return "none", state.reason
    if version is None:
        return "none", f"the Rollout does not say which version it runs ({VERSION_KEY} is not set)"
    if state.serves(version):
        if version != pinned:
            return "none", f"{what} is healthy, version {pinned} is pinned: Argo CD has not rolled it out yet"
        return (
            ("agreed", f"{what} is healthy, pinned and champion") if champion == version else ("promote", f"{what} is healthy and pinned")
        )
    if state.failed():
        if champion == version:
            return "none", f"the champion, {what}, is degraded ({state.reason}): look, or put the previous one back (ctp rollback)"
        if pinned == version:
            return "revert", f"{what} failed: {state.reason}"
        failed = f"{what} failed and is not pinned any more: {state.reason}"
        return ("none", failed) if aborted else ("abort", failed)
    if aborted and pinned == version and state.is_moving():
        if champion is not None and champion > version:
            # Older pods than the stable ones: Rollouts may bring them back without analysis.
            return "none", f"{what} was aborted and is older than the champion, version {champion}: this is no retry, register it again"
        return "retried", f"{what} was aborted and is tried again: {state.reason}"
    return "none", f"{state.phase}: {state.reason}"


def _act(decision: Decision, situation: Situation) -> Effect:
    ctx, client, version = situation.ctx, situation.client, situation.pin.version
    if decision in ("promote", "agreed"):
        return _promote(situation, move=decision == "promote")
    if decision in ("revert", "abort"):
        return _withdraw(situation, pinned=decision == "revert")
    if decision == "retried":
        set_candidate(client, ctx.config.model_name, version)
        close_retried(ctx, client, version)
        return Effect("retried")
    if situation.aborted and situation.state.failed():
        return Effect(timeline=read_open(client, ctx.config.model_name, situation.state.version or 0))
    return Effect()


def _promote(situation: Situation, *, move: bool) -> Effect:
    """Let the manifest name the healthy, pinned model, make it champion, and close the incidents that led here."""
    ctx, client, pin = situation.ctx, situation.client, situation.pin
    effect = Effect()
    if situation.manifest is not None and not situation.manifest.agrees(pin):
        effect = _repair(ctx, pin)
    if move:
        promote(client, ctx.config.model_name, pin.version, situation.champion.version if situation.champion else None)
        effect = replace(effect, action="promoted")
    return replace(effect, timeline=close_incidents(ctx, client, situation.state))


def _repair(ctx: StepContext, pin: Pin) -> Effect:
    model, artifact = ModelRef(name=pin.name, version=pin.version), ArtifactRef(uri=pin.uri, sha256=pin.sha256)
    change = release(ctx, model, artifact, approved_by=APPROVER, expected=model, repair=True)
    return Effect("repaired", change.commit, change.branch)


def _withdraw(situation: Situation, *, pinned: bool) -> Effect:
    """Revert the pin if it still names the failed version, mark that version as aborted, and record the incident."""
    ctx, client, state = situation.ctx, situation.client, situation.state
    version, effect = ModelRef(name=ctx.config.model_name, version=state.version or 0), Effect()
    line = Timeline(
        environment=ctx.config.release.environment,
        withdrawn=version,
        restored=situation.champion,
        cause="person",
        reason=state.reason,
        limit_s=ctx.config.release.rollback_limit_s,
    )
    line = open_timeline(line, state, situation.breach, datetime.now(UTC))
    if pinned:
        effect, commit = _revert(situation)
        line = line.add("pin_reverted", datetime.now(UTC), commit[:12]) if commit else line
    mark_open(client, line)
    tags = _tags(client, version.name, version.version)
    if tags is not None and ABORTED not in tags:
        abort(client, version.name, version.version, state.reason)
    return replace(effect, timeline=update_incident(ctx, client, line.add("alias_back", datetime.now(UTC))))


def _revert(situation: Situation) -> tuple[Effect, str]:
    """Pin what runs: the champion; where there is none, what the failed version replaced.

    Returns:
        What was done, and the commit on the branch that Argo CD follows; empty while it waits to be merged.
    """
    ctx, serving, main = situation.ctx, situation.champion, situation.ctx.config.release.branch
    change = withdraw(
        ctx,
        situation.pin.version,
        back_to=serving.version if serving else None,
        otherwise=_registered_pin(situation.client, serving),
        reason=situation.state.reason,
        approved_by=APPROVER,
    )
    if change is None:
        return Effect(), ""
    merged = change.branch == main
    note = "" if merged else f"; waits for the merge of {change.branch}"
    if not change.changed:
        return Effect(note=note), change.commit if merged else ""
    return Effect("reverted" if merged else "proposed", change.commit, change.branch, note=note), change.commit if merged else ""


def _registered_pin(client: RegistryClient, ref: ModelRef | None) -> Pin | None:
    """The pin of a version as the registry knows it; None where it does not."""
    try:
        return pin_of(ref, model_uri(client, ref)) if ref else None
    except DataError:
        return None


def _tags(client: RegistryClient, name: str, version: int | None) -> dict[str, str] | None:
    """Tags of a version; None: this registry never saw it, as a person may pin any."""
    try:
        return client.tags(name, version) if version is not None else None
    except DataError:
        return None


def _ask_breach(namespace: str, rollout_name: str, state: RolloutState) -> Breach | None:
    """The breach that the Kubernetes API's AnalysisRuns saw; a revert does not wait for it."""
    if not state.pod_hash:
        return None
    try:
        return find_breach(analysis_runs(namespace, rollout_name, state.pod_hash))
    except PipelineError as error:
        log.warning("the analyses cannot be read, so the breach counts from the abort: %s", error)
        return None
