"""Step `maintain`: retention, compaction, snapshot expiry and deletion of unreferenced files."""

from __future__ import annotations

from datetime import date

from steps.contract.refs import Frozen
from steps.contract.spec import StepContext
from steps.operate.pending_erasures import open_erasures
from steps.registry import prune_models as prune
from steps.store.lake import open_lake


class Params(Frozen):
    """When it is.

    Attributes:
        today: the day that retention and closed dates count from; empty: the day it is now in UTC.
    """

    today: date | None = None


class Result(Frozen):
    """What was done.

    Attributes:
        retired_traces: traces deleted because they are older than `upkeep.retention_days`.
        retired_labels: their labels.
        retired_datasets: datasets that held text of them.
        compacted: closed dates whose small files were rewritten into few.
        expired_snapshots: snapshots that cannot be read any more.
        deleted_files: unreferenced files deleted.
        freed_bytes: their size.
        pending_files: unreferenced files left because they are younger than `upkeep.inflight_hours`.
        pruned_models: places of model files that were deleted; see `steps.registry.prune_models`.
        open_erasures: erasures that were asked for and are not complete.
        oldest_open_erasure_s: when the oldest of them was asked for, in seconds since 1970; 0: there is none.
    """

    retired_traces: int
    retired_labels: int
    retired_datasets: int
    compacted: int
    expired_snapshots: int
    deleted_files: int
    freed_bytes: int
    pending_files: int
    pruned_models: tuple[str, ...] = ()
    open_erasures: int = 0
    oldest_open_erasure_s: float = 0.0


def run(params: Params, ctx: StepContext) -> Result:
    """Put the lake in order and delete files of old models; may be killed and repeated at any point.

    No row within retention changes, and no file of the last champions goes.

    Raises:
        TransientError: the lake does not answer, or other writers won every race.
    """
    from steps.operate.maintenance import put_in_order

    done = put_in_order(params, ctx)
    pruned = prune.run(prune.Params(), ctx)
    with open_lake(ctx.config, ctx.workdir) as lake:
        count, oldest_s = open_erasures(lake)
    found = {"pruned_models": tuple(item.uri for item in pruned.deleted), "open_erasures": count, "oldest_open_erasure_s": oldest_s}
    return done.model_copy(update=found)
