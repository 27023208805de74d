"""Step `maintain`: retention, compaction, snapshot expiry and deletion of unreferenced files."""

from __future__ import annotations

from datetime import date

from steps.core.refs import Frozen
from steps.core.spec import StepContext


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
    """

    retired_traces: int
    retired_labels: int
    retired_datasets: int
    compacted: int
    expired_snapshots: int
    deleted_files: int
    freed_bytes: int
    pending_files: int


def run(params: Params, ctx: StepContext) -> Result:
    """Put the lake in order; may be killed and repeated at any point. No row within retention changes.

    Raises:
        TransientError: the lake does not answer, or other writers won every race.
    """
    from steps.upkeep.order import put_in_order

    return put_in_order(params, ctx)
