"""Step `rollback`: put an earlier version back in Git and registry, at any moment, also in the middle of a canary."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pydantic import Field

from steps.cluster.argo import abort_rollout, rollout
from steps.contract.errors import DataError, TransientError
from steps.contract.refs import Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.release.change import current_pin, release
from steps.release.incident import Timeline
from steps.release.incident_record import close_incidents, update_incident
from steps.release.model_pin import Pin
from steps.release.rollout_state import RolloutState, read_rollout
from steps.store.aliases import ABORTED, PREVIOUS, ROLLED_BACK, abort, by_alias, champion, check_promotable, model_uri, promote
from steps.store.registry import RegistryClient, open_registry

_POLL_S = 2.0


class Params(Frozen):
    """Which version, and who decided it."""

    to: int = Field(
        default=0, ge=0, description="registered version; 0: the champion while a release is on its way, else the one before the champion"
    )
    approved_by: str = Field(min_length=1, max_length=200, description="who decided it; signs the commit off")
    reason: str = Field(
        default="rolled back by hand", min_length=1, max_length=500, description="one line for the commit and for the version that goes"
    )
    abort: bool = Field(
        default=False,
        description="abort the Rollout at once through the Kubernetes API if the version that goes is its canary; "
        "otherwise traffic comes back when Argo CD has seen the commit",
    )
    wait_s: float = Field(default=0.0, ge=0, le=3600, description="seconds to wait until the Rollout is healthy with the version; 0: none")


class Result(Frozen):
    """What serves now, or will when Argo CD has rolled it out."""

    model: ModelRef = Field(description="the version that is pinned and champion")
    replaced: ModelRef | None = Field(description="the version that was champion; null when it was this one already")
    withdrawn: ModelRef | None = Field(description="the version that was pinned; null when it was this one already")
    commit: str = Field(description="the commit that pins it")
    changed: bool = Field(description="whether a commit was made")
    branch: str = Field(
        description="branch that holds the commit; in pull-request mode it waits to be merged, and the champion stays until then"
    )
    timeline: Timeline | None = Field(description="the incident, from the decision on; null when nothing had to change")
    warning: str = Field(description="what of it took longer than release.rollback_limit_s; empty: nothing")


def run(params: Params, ctx: StepContext) -> Result:
    """Pin the version, then make it champion; may be repeated.

    Raises:
        DataError: there is no such version, or none before this one, or it never passed the gate.
        ConfigError, AccessError, TransientError: Git, the registry or, where asked for, the Kubernetes API cannot be used.
    """
    decided_at = datetime.now(UTC)
    client, name = open_registry(ctx.config, ctx.workdir), ctx.config.model_name
    serving, pin = champion(client, name), current_pin(ctx)
    target = _target(client, name, params.to, serving, pin)
    artifact = model_uri(client, target)
    if target != serving:
        # Nothing is pinned that could not become champion after it.
        check_promotable(name, target.version, client.tags(name, target.version))
    if params.abort:
        _abort_canary(ctx, target)
    # The pin first: what Argo CD rolls out must go before what people read.
    with ctx.progress.task(f"pinning {target} in Git"):
        change = release(ctx, target, artifact, approved_by=params.approved_by, repair=True)
    merged = change.branch == ctx.config.release.branch
    withdrawn = pin.ref if pin.ref != target else None
    reason = " ".join(params.reason.split())
    if merged:
        _move_champion(client, target, serving, withdrawn, reason)
    line = _timeline(ctx, withdrawn, target, reason).add("breach_seen", decided_at, "decided by a person") if withdrawn else None
    if line and merged:
        now = datetime.now(UTC)
        line = line.add("pin_reverted", now, change.commit[:12]).add("alias_back", now)
    if line:
        line = update_incident(ctx, client, line)
    if params.wait_s:
        line = _wait(ctx, client, target, params.wait_s) or line
    return Result(
        model=target,
        replaced=serving if serving != target and merged else None,
        withdrawn=withdrawn,
        commit=change.commit,
        changed=change.changed,
        branch=change.branch,
        timeline=line,
        warning=line.warning() if line else "",
    )


def _target(client: RegistryClient, name: str, to: int, serving: ModelRef | None, pin: Pin) -> ModelRef:
    """What comes back.

    Raises:
        DataError: nothing earlier is known, or it was rolled back itself.
    """
    if to:
        return ModelRef(name=name, version=to)
    if serving is not None and pin.version not in (0, serving.version):
        return serving  # A release is on its way: the champion still serves most of the traffic.
    previous = by_alias(client, name, PREVIOUS)
    if previous is None:
        raise DataError(f"{name}: no earlier champion is known: name a version with --to")
    if why := client.tags(name, previous.version).get(ROLLED_BACK):
        raise DataError(f"{previous} was rolled back itself ({why}): name a version with --to")
    return previous


def _move_champion(client: RegistryClient, target: ModelRef, serving: ModelRef | None, withdrawn: ModelRef | None, reason: str) -> None:
    """Make the target champion, and say on the versions that go that they went and why."""
    client.delete_tag(target.name, target.version, ROLLED_BACK)
    promote(client, target.name, target.version, serving.version if serving else None)
    for version in {ref for ref in (withdrawn, serving) if ref is not None and ref != target}:
        _mark(client, version, reason, was_champion=version == serving)


def _mark(client: RegistryClient, version: ModelRef, reason: str, *, was_champion: bool) -> None:
    try:
        if was_champion:
            client.set_tag(version.name, version.version, ROLLED_BACK, reason)
        elif ABORTED not in client.tags(version.name, version.version):
            abort(client, version.name, version.version, reason)
    except DataError:  # A version that this registry never saw.
        return


def _timeline(ctx: StepContext, withdrawn: ModelRef, target: ModelRef, reason: str) -> Timeline:
    config = ctx.config.release
    limit_s = config.rollback_limit_s
    return Timeline(environment=config.environment, withdrawn=withdrawn, restored=target, cause="person", reason=reason, limit_s=limit_s)


def _abort_canary(ctx: StepContext, target: ModelRef) -> None:
    """Abort the Rollout if it is on its way to another version."""
    state = _look(ctx)
    if state.is_moving() and state.version != target.version and not state.is_stable:
        abort_rollout(ctx.config.release.rollout_namespace, ctx.config.release.rollout)


def _look(ctx: StepContext) -> RolloutState:
    return read_rollout(rollout(ctx.config.release.rollout_namespace, ctx.config.release.rollout))


def _wait(ctx: StepContext, client: RegistryClient, target: ModelRef, wait_s: float) -> Timeline | None:
    """Wait until the Rollout is healthy with the version, and close the incident.

    Raises:
        TransientError: it is not in time.
    """
    end = time.monotonic() + wait_s
    with ctx.progress.task("waiting for the Rollout", total=wait_s, unit="s") as task:
        while not (state := _look(ctx)).serves(target.version):
            if time.monotonic() > end:
                where = f"rollout {ctx.config.release.rollout_namespace}/{ctx.config.release.rollout}"
                reason = f"after {wait_s:.0f} s it is {state.phase} with version {state.version}"
                raise TransientError(f"{where}: {target} is pinned, but {reason}")
            task.note(f"{state.phase}, version {state.version}")
            time.sleep(_POLL_S)
            task.advance(_POLL_S)
    return close_incidents(ctx, client, state)
