"""Records of incident timelines: a tag of the version that went while the incident is open, and a row in the lake's `runs`.

The tag lets the next reconcile, in another pod, go on with the timeline. A lake that cannot be written is a warning:
a revert never waits for its record, and the next reconcile writes it again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from steps.contract.errors import DataError
from steps.contract.spec import StepContext
from steps.release.incident import Timeline
from steps.release.rollout_state import RolloutState
from steps.store.lake import open_lake

if TYPE_CHECKING:
    from steps.store.registry import RegistryClient

log = logging.getLogger("ctp")

STAGE = "rollback"
# Tags of a version: its timeline as JSON, and whether something is still to come.
TIMELINE, OPEN = "ctp.rollback", "ctp.rollback-open"


def mark_open(client: RegistryClient, line: Timeline) -> None:
    """Tag the version before it is tagged as aborted: a run killed in between must not lose the timeline."""
    name, version = line.withdrawn.name, line.withdrawn.version
    try:
        if not client.tags(name, version).get(OPEN):
            client.set_tag(name, version, TIMELINE, line.model_dump_json())
            client.set_tag(name, version, OPEN, "true")
    except DataError:  # A version that this registry never saw.
        return


def update_incident(ctx: StepContext, client: RegistryClient, line: Timeline) -> Timeline:
    """Record an open timeline; what an earlier run saw of the same breach stays as it saw it."""
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


def read_open(client: RegistryClient, name: str, version: int) -> Timeline | None:
    """The open timeline of a version; None: it has none."""
    tags = client.tags(name, version)
    return Timeline.model_validate_json(tags[TIMELINE]) if tags.get(OPEN) else None


def close_retried(ctx: StepContext, client: RegistryClient, version: int) -> None:
    """Close the incident of a version that is tried again."""
    if line := read_open(client, ctx.config.model_name, version):
        _write(ctx, client, line.model_copy(update={"reason": f"{line.reason}; tried again"}), is_open=False)


def close_incidents(ctx: StepContext, client: RegistryClient, state: RolloutState) -> Timeline | None:
    """Close the incidents that led to this healthy version; returns the last one's timeline."""
    name, now, last = ctx.config.model_name, datetime.now(UTC), None
    for version in client.find_versions(name, OPEN, "true"):
        line = Timeline.model_validate_json(client.tags(name, version)[TIMELINE])
        if version == state.version:
            line = line.model_copy(update={"reason": f"{line.reason}; tried again, and healthy"})
        else:
            # The pin may have come back by a merge or a person's commit, which nobody stamped.
            line = line.add_traffic(state, now).add("pin_reverted", now).add("previous_serving", now).add("agreed", now)
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
        _append(ctx, line)
    except Exception as error:  # Whatever keeps the lake away, the revert is not undone by it.
        log.warning("the timeline is not in the lake yet: %s: %s", type(error).__name__, " ".join(str(error).split())[:300])
        return
    if not is_open:
        client.delete_tag(name, version, OPEN)


def _append(ctx: StepContext, line: Timeline) -> None:
    """Put the timeline into the lake's `runs`: one row a breach, replaced as it grows."""
    payload = line.model_dump(mode="json") | {"seconds": line.seconds(), "warning": line.warning()}
    key = f"{STAGE}:{line.environment}:{line.withdrawn}:{line.events[0].at}"
    with open_lake(ctx.config, ctx.workdir) as lake:
        lake.append_run_record(ctx.run_id, STAGE, payload, key=key)
