"""`ctp cost`: the bill of a run or a month."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from steps.contract.errors import DataError, UsageError
from steps.operate.cost.bill import Bill, bill, month_bill
from steps.operate.cost.ledger import Spent, month_of, month_spent, run_costs
from steps.store.lake import open_lake

if TYPE_CHECKING:
    from rich.console import Console

    from steps.contract.config import PipelineConfig


def read_bill(config: PipelineConfig, workdir: Path, *, run_id: str = "", month: str = "") -> tuple[Bill, Spent]:
    """The bill, and what the month has spent and reserved (of a run: the month in which it ended).

    Args:
        config: where the lake is, and the ceilings.
        workdir: work folder.
        run_id: one run; empty: a whole month.
        month: UTC month as in 2026-05; empty: this one.

    Raises:
        UsageError: both are given, or the month is none.
        DataError: the run has no cost on record.
        TransientError, AccessError: the lake cannot be read.
    """
    if run_id and month:
        raise UsageError("--run and --month: give one of them")
    if month and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise UsageError(f"--month {month[:20]!r}: write YYYY-MM, as in 2026-05")
    month = month or month_of(datetime.now(UTC))
    with open_lake(config, workdir) as lake:
        costs = run_costs(lake, run_id=run_id)
        if run_id:
            if not costs:
                raise DataError(f"--run {run_id[:100]!r} has no cost on record: it has not ended, or it was not metered (`ctp status`)")
            month = month_of(costs[-1].at)
        spent = month_spent(lake, month)
    return (bill(run_id, costs, config.cost) if run_id else month_bill(month, costs, config.cost)), spent


def print_bill(console: Console, bill: Bill, spent: Spent) -> None:
    """Print a bill as a table."""
    table = Table(title=f"{escape(bill.of)} · {bill.runs} run{'' if bill.runs == 1 else 's'}", title_justify="left", show_footer=True)
    stages = bill.stages
    # (heading, cells, sum); a column that holds nothing is left out.
    columns = [
        ("pods", [str(row.pods) for row in stages], str(sum(row.pods for row in stages))),
        ("hours", [f"{row.hours:.3f}" for row in stages], f"{sum(row.hours for row in stages):.3f}"),
        ("$/h", [f"{row.usd_an_hour:.4f}" for row in stages], ""),
        ("$", [f"{row.usd:.4f}" for row in stages], f"{bill.usd:.4f}"),
    ]
    if bill.gpu_hours_at_most:
        columns.append(("GPU h", [f"{row.gpu_hours:.2f}" for row in stages], f"{bill.gpu_hours_at_most:.2f}"))
    if bill.uncounted_usd_at_most:
        columns.append(("uncounted, ≤ $", [f"{row.uncounted_usd_at_most:.4f}" for row in stages], f"{bill.uncounted_usd_at_most:.4f}"))
    if bill.budget_ratio is not None:
        columns.append(("of budget", [_percent(row.budget_ratio) for row in stages], _percent(bill.budget_ratio)))
    table.add_column("stage", "sum", no_wrap=True)
    for heading, _, total in columns:
        table.add_column(heading, total, justify="right", no_wrap=True)
    for index, row in enumerate(stages):
        table.add_row(escape(row.stage), *(cells[index] for _, cells, _ in columns))
    console.print(table)
    console.print(budget_line(bill, spent), highlight=False, soft_wrap=True)


def budget_line(bill: Bill, spent: Spent) -> str:
    """What is left of the month's ceilings, in one line."""
    parts = []
    for limit, used, unit in (
        (bill.monthly_usd_limit, spent.usd + spent.reserved_usd, "USD"),
        (bill.monthly_gpu_hours_limit, spent.gpu_hours + spent.reserved_gpu_hours, "GPU hours"),
    ):
        if limit:
            parts.append(f"{used:.2f} of {limit:g} {unit} spent or reserved in the month, {max(0.0, limit - used):.2f} left")
    return "; ".join(parts) or "no monthly ceiling (cost.monthly_usd_limit, cost.monthly_gpu_hours_limit)"


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{100 * ratio:.1f} %"
