"""The budget guard: no training starts that could take the month above its ceiling."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from steps.operate.cost.ledger import Spent, month_of, month_spent, over_limit, reserve

if TYPE_CHECKING:
    from steps.contract.spec import StepContext
    from steps.store.lake import Lake


def check_budget(lake: Lake, ctx: StepContext, *, usd: float, gpu_hours: float, max_cost_usd: float = 0.0) -> tuple[Spent, str]:
    """Reserve the estimate and look at the month; a refused one is given back.

    Args:
        lake: an open lake.
        ctx: the run that wants to train.
        usd: its estimate.
        gpu_hours: likewise.
        max_cost_usd: the run's own limit; 0: none.

    Returns:
        What the month has spent and reserved without this run, and why the training must not start; empty: it may.
    """
    month = month_of(datetime.now(UTC))
    reserve(lake, ctx.run_id, usd=usd, gpu_hours=gpu_hours)
    spent = month_spent(lake, month, without=ctx.run_id)
    refused = over_limit(ctx.config.cost, spent, month, usd=usd, gpu_hours=gpu_hours)
    if 0 < max_cost_usd < usd:
        refused = f"above the limit of ${max_cost_usd:.2f} for this run (max-cost-usd)"
    if refused:
        reserve(lake, ctx.run_id, usd=0.0, gpu_hours=0.0)
    return spent, refused
