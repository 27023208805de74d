"""What a quarter cost and what it bought: dollars for +0.01 faithfulness, with an interval. Pure.

The gain of a quarter is the sum of the differences that the gate measured for the candidates that
were released and not taken back: each was compared with the champion of its day, so that they
add up along the chain. Their measurements are taken as independent, and the golden set as the
same; where a team changes it, the sum mixes two scales, and the review says how many releases it adds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from pydantic import Field

from steps.contract.config import CostConfig
from steps.contract.errors import UsageError
from steps.contract.refs import Frozen
from steps.operate.cost.bill import Bill, bill, month_bill
from steps.operate.cost.ledger import RunCost, month_of

# Half the width of a 95 % interval in standard errors.
Z = 1.959964
POINT = 0.01


class Bought(Frozen):
    """Faithfulness for money. None: cannot be said."""

    releases: int = Field(description="how many were released and kept")
    gain: float = Field(description="sum of their faithfulness differences, 0-1, with its 95 % interval")
    gain_low: float = Field(description="its lower end")
    gain_high: float = Field(description="its upper end")
    usd_per_point: float | None = Field(description="US dollars for +0.01; None without a gain")
    usd_per_point_low: float | None = Field(description="lower end of its interval; None where even the best case is no gain")
    usd_per_point_high: float | None = Field(description="upper end; None where the gain may be none, so that there is no bound")


class Review(Frozen):
    """One quarter."""

    quarter: str = Field(description="as in 2026-Q2")
    months: tuple[Bill, ...] = Field(description="a bill for each of its months")
    total: Bill = Field(description="the bill of all")
    bought: Bought = Field(description="what it bought")
    left_usd: tuple[float, ...] | None = Field(description="of each month's ceiling; None: there is none")
    statement: str = Field(description="whether a dollar buys less than in the quarter before")


def quarter_of(day: date) -> str:
    """The quarter of a day, as in 2026-Q2."""
    return f"{day.year}-Q{(day.month - 1) // 3 + 1}"


def quarter_before(quarter: str) -> str:
    """The quarter before."""
    year, number = _parse(quarter)
    return f"{year - 1}-Q4" if number == 1 else f"{year}-Q{number - 1}"


def months_of(quarter: str) -> tuple[str, str, str]:
    """Its three months, as in 2026-04."""
    year, number = _parse(quarter)
    first = 3 * (number - 1) + 1
    return f"{year}-{first:02d}", f"{year}-{first + 1:02d}", f"{year}-{first + 2:02d}"


def _parse(quarter: str) -> tuple[int, int]:
    year, mark, number = quarter.partition("-Q")
    if not mark or not year.isdigit() or number not in ("1", "2", "3", "4"):
        raise UsageError(f"--quarter {quarter[:20]!r}: write YYYY-Qn, as in 2026-Q2")
    return int(year), int(number)


def review(quarter: str, costs: Sequence[RunCost], config: CostConfig, *, taken_back: frozenset[str] = frozenset()) -> Review:
    """Review one quarter.

    Args:
        quarter: as in 2026-Q2.
        costs: metered runs, also of the quarter before, which it is compared with.
        config: the ceilings.
        taken_back: versions that were released and aborted, as in agent-model@3: they bought nothing.
    """
    months = months_of(quarter)
    mine = _of(costs, months)
    total = bill(quarter, mine, config)
    bills = tuple(month_bill(month, mine, config) for month in months)
    limit = config.monthly_usd_limit
    before = _of(costs, months_of(quarter_before(quarter)))
    return Review(
        quarter=quarter,
        months=bills,
        total=total,
        bought=bought(mine, taken_back),
        left_usd=tuple(limit - month.usd - month.uncounted_usd_at_most for month in bills) if limit else None,
        statement=returns(mine, before, taken_back),
    )


def _of(costs: Sequence[RunCost], months: Sequence[str]) -> list[RunCost]:
    return [cost for cost in costs if month_of(cost.at) in months]


def bought(costs: Sequence[RunCost], taken_back: frozenset[str] = frozenset()) -> Bought:
    """What some runs bought for all that they cost, failed ones included."""
    usd, (releases, gain, error) = sum(cost.usd_at_most for cost in costs), _gain(costs, taken_back)
    low, high = gain - Z * error, gain + Z * error

    def per_point(of: float) -> float | None:
        return usd / (of / POINT) if of > 0 else None

    return Bought(
        releases=releases,
        gain=gain,
        gain_low=low,
        gain_high=high,
        usd_per_point=per_point(gain),
        usd_per_point_low=per_point(high),
        usd_per_point_high=per_point(low),
    )


def _gain(costs: Sequence[RunCost], taken_back: frozenset[str]) -> tuple[int, float, float]:
    """How many releases were kept, the sum of their gains, and its standard error."""
    kept = [cost.gain for cost in costs if cost.gain and cost.model and cost.model not in taken_back]
    variance = sum(((gain.high - gain.low) / (2 * Z)) ** 2 for gain in kept)
    return len(kept), sum(gain.delta for gain in kept), math.sqrt(variance)


def returns(now: Sequence[RunCost], before: Sequence[RunCost], taken_back: frozenset[str] = frozenset()) -> str:
    """Whether a dollar buys less faithfulness than before: gain per dollar now minus before, with a 95 % interval."""
    rates = []
    for costs in (now, before):
        usd, (releases, gain, error) = sum(cost.usd_at_most for cost in costs), _gain(costs, taken_back)
        if not usd or not releases:
            which = "this quarter" if costs is now else "the quarter before"
            return f"{which} released nothing: returns cannot be compared"
        rates.append((gain / usd, error / usd))
    (rate, error), (rate_before, error_before) = rates
    delta, width = rate - rate_before, Z * math.hypot(error, error_before)
    low, high = 1000 * (delta - width), 1000 * (delta + width)
    difference = f"{1000 * delta:+.4f} faithfulness per 1,000 USD against the quarter before (95 % {low:+.4f} to {high:+.4f})"
    if delta + width < 0:
        return f"returns diminish: {difference}"
    if delta - width > 0:
        return f"returns grow: {difference}"
    return f"no change of returns can be told: {difference}"


def as_markdown(review: Review) -> str:
    """The review as one page."""
    limit = review.total.monthly_usd_limit
    lines = [
        f"# Cost review {review.quarter}",
        "",
        "| month | runs | $ | uncounted, at most $ | GPU hours | of budget | left $ |",
        "|" + " --- |" * 7,
    ]
    for index, month in enumerate(review.months):
        share = "" if month.budget_ratio is None else f"{100 * month.budget_ratio:.1f} %"
        left = "" if review.left_usd is None else f"{review.left_usd[index]:.2f}"
        numbers = f"{month.usd:.2f} | {month.uncounted_usd_at_most:.2f} | {month.gpu_hours_at_most:.2f}"
        lines.append(f"| {month.of} | {month.runs} | {numbers} | {share} | {left} |")
    lines += [
        "",
        f"Ceiling: {f'{limit:g} USD a month' if limit else 'none'}.",
        "",
        "| stage | pods | hours | GPU hours | $ |",
        "|" + " --- |" * 5,
    ]
    for row in review.total.stages:
        lines.append(f"| {row.stage} | {row.pods} | {row.hours:.2f} | {row.gpu_hours:.2f} | {row.usd + row.uncounted_usd_at_most:.2f} |")
    return "\n".join([*lines, "", _sentence(review.bought), "", f"{review.statement[0].upper()}{review.statement[1:]}.", ""])


def _sentence(bought: Bought) -> str:
    releases = f"{bought.releases} release{'' if bought.releases == 1 else 's'}"
    gained = f"{releases}, faithfulness {bought.gain:+.4f} (95 % {bought.gain_low:+.4f} to {bought.gain_high:+.4f})"
    if bought.usd_per_point is None:
        return f"{gained}: no gain that a price could be put on."
    high = "no upper bound, the gain may be none" if bought.usd_per_point_high is None else f"{bought.usd_per_point_high:,.4g}"
    return f"{gained}: {bought.usd_per_point:,.4g} USD for +0.01 (95 % {bought.usd_per_point_low:,.4g} to {high})."
