"""Keeping the timeline of an abort or rollback while it goes on: in the registry, then in the lake.

The open timeline is a tag of the version that went, so that whoever reconciles next, in another pod, goes on
with it. What is measured never stands in the way of what is done: a lake that cannot be written is a warning,
and the next run writes again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from steps.cluster.argo import analysis_runs
from steps.contract.errors import DataError, PipelineError
from steps.contract.refs import ModelRef
from steps.contract.spec import StepContext
from steps.release.incident import Timeline, breach
from steps.release.rollout_status import Seen
from steps.store.lake import open_lake

if TYPE_CHECKING:
    from steps.store.registry import RegistryClient

log = logging.getLogger("ctp")

STAGE = "rollback"
# Tags of a version: its timeline as JSON, and whether something is still to come.
TIMELINE, OPEN = "ctp.rollback", "ctp.rollback-open"


def begun(ctx: StepContext, seen: Seen, serving: ModelRef | None, namespace: str, rollout: str, *, offline: bool) -> Timeline:
    """The timeline of a version whose Rollout failed, as far as it is known now."""
    now = datetime.now(UTC)
    found = None
    if not offline and seen.pod_hash:
        try:
            found = breach(analysis_runs(namespace, rollout, seen.pod_hash))
        except PipelineError as error:  # The way back does not wait for a measurement.
            log.warning("the analyses cannot be read, so the breach counts from the abort: %s", error)
    version = ModelRef(name=ctx.config.model_name, version=seen.version or 0)
    line = Timeline(
        environment=ctx.config.release.environment,
        withdrawn=version,
        restored=serving,
        cause="analysis" if found else "person",
        reason=seen.reason,
        limit_s=ctx.config.release.rollback_limit_s,
    )
    start = min(at for at in (found[0] if found else None, seen.aborted_at, now) if at)
    line = line.add("breach_seen", start, found[1] if found else "")
    if seen.aborted_at:
        line = line.add("aborted", seen.aborted_at)
    return weighed(line, seen, now)


def weighed(line: Timeline, seen: Seen, now: datetime) -> Timeline:
    """With the moment at which the canary had no traffic any more; the stable pods were all there all the time."""
    if seen.weight == 0:
        line = line.add("weight_zero", now).add("previous_serving", now)
    return line


def reverted(line: Timeline, commit: str, *, merged: bool) -> Timeline:
    """With the commit that put the pin back, unless it still waits to be merged."""
    return line.add("pin_reverted", datetime.now(UTC), commit[:12]) if commit and merged else line


def opened(client: RegistryClient, line: Timeline) -> None:
    """Leave a mark before the version is tagged as aborted: a run killed in between must not lose the timeline."""
    name, version = line.withdrawn.name, line.withdrawn.version
    try:
        if not client.tags(name, version).get(OPEN):
            client.set_tag(name, version, TIMELINE, line.model_dump_json())
            client.set_tag(name, version, OPEN, "true")
    except DataError:  # A version that this registry never saw.
        return


def kept(ctx: StepContext, client: RegistryClient, line: Timeline) -> Timeline:
    """Keep an open timeline; what an earlier run saw of the same breach stays as it saw it."""
    name, version = line.withdrawn.name, line.withdrawn.version
    try:
        tags = client.tags(name, version)
    except DataError:
        return line
    if tags.get(OPEN):
        earlier = Timeline.model_validate_json(tags[TIMELINE])
        if earlier.events[0] == line.events[0] or line.cause == "person":
            merged = earlier
            for event in line.events:
                merged = merged.add(event.name, datetime.fromisoformat(event.at), event.note)
            if merged == earlier:
                return earlier
            line = merged
    _write(ctx, client, line, is_open=True)
    return line


def abandoned(ctx: StepContext, client: RegistryClient, version: int) -> None:
    """Close the timeline of a version that is tried again."""
    tags = client.tags(ctx.config.model_name, version)
    if tags.get(OPEN):
        line = Timeline.model_validate_json(tags[TIMELINE])
        _write(ctx, client, line.model_copy(update={"reason": f"{line.reason}; tried again"}), is_open=False)


def finished(ctx: StepContext, client: RegistryClient, seen: Seen) -> Timeline | None:
    """Close the timelines that led to this healthy version; returns the last one."""
    name, now, last = ctx.config.model_name, datetime.now(UTC), None
    for version in client.find_versions(name, OPEN, "true"):
        line = Timeline.model_validate_json(client.tags(name, version)[TIMELINE])
        if version == seen.version:
            line = line.model_copy(update={"reason": f"{line.reason}; tried again, and healthy"})
        else:
            # The pin may have come back by a merge or a person's commit, which nobody stamped.
            line = weighed(line, seen, now).add("pin_reverted", now).add("previous_serving", now).add("agreed", now)
        _write(ctx, client, line, is_open=False)
        last = line
    return last


def _write(ctx: StepContext, client: RegistryClient, line: Timeline, *, is_open: bool) -> None:
    name, version = line.withdrawn.name, line.withdrawn.version
    client.set_tag(name, version, TIMELINE, line.model_dump_json())
    if is_open:
        client.set_tag(name, version, OPEN, "true")
    if warning := line.warning():
        log.warning("%s", warning)
    try:
        record(ctx, line)
    except Exception as error:  # Whatever keeps the lake away, the way back is not undone by it.
        log.warning("the timeline is not in the lake yet: %s: %s", type(error).__name__, " ".join(str(error).split())[:300])
        return
    if not is_open:
        client.delete_tag(name, version, OPEN)


def record(ctx: StepContext, line: Timeline) -> None:
    """Put the timeline into the lake's `runs`: one row a breach, replaced as it grows.

    Raises:
        PipelineError: the lake cannot be written.
    """
    payload = line.model_dump(mode="json") | {"seconds": line.seconds(), "warning": line.warning()}
    key = f"{STAGE}:{line.environment}:{line.withdrawn}:{line.events[0].at}"
    with open_lake(ctx.config, ctx.workdir) as lake:
        lake.append_run_record(ctx.run_id, STAGE, payload, key=key)
