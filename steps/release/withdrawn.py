"""Versions that were taken back: no release pins one again.

Rollouts' rollback window sends traffic to an older ReplicaSet without steps and without analysis, also to one
that a canary aborted once. The number of a version is in its pods' template, so a number that was taken back
must stay out of the pin; the same model, registered again, gets a number of its own and is watched like any other.
"""

from __future__ import annotations

from steps.contract.errors import DataError
from steps.contract.refs import ModelRef
from steps.contract.spec import StepContext
from steps.store import registry as clients
from steps.store.aliases import CHAMPION, taken_back


def check_releasable(model: ModelRef, ctx: StepContext) -> None:
    """Refuse a version that was aborted or rolled back and does not serve; against one that the registry never saw nothing is known.

    Raises:
        DataError: it was taken back.
        AccessError, TransientError: the registry cannot be asked.
    """
    file = clients.sqlite_path(clients.registry_uri(ctx.config, ctx.workdir))
    if file is not None and not file.exists():
        return
    client = clients.registry(ctx.config, ctx.workdir)
    try:
        tags = client.tags(model.name, model.version)
    except DataError:
        return
    if (why := taken_back(tags)) and client.aliases(model.name).get(CHAMPION) != model.version:
        told = f"{model} {why}, and a Rollout may bring an earlier version back without any analysis"
        raise DataError(f"{told}: register the model again, which numbers it anew, or put a former champion back with ctp rollback --to")
