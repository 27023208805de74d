"""Step `cost-review`: write a quarter's bill and what it bought as JSON and Markdown, and notify the webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from steps.contract.files import sha256_file, write_atomic, write_json
from steps.contract.refs import ArtifactRef, Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.operate.cost.ledger import run_costs
from steps.operate.cost.review import as_markdown, quarter_before, quarter_of, review
from steps.operate.notify import notify
from steps.store.aliases import ABORTED
from steps.store.lake import open_lake
from steps.store.registry import open_registry

if TYPE_CHECKING:
    from steps.operate.cost.ledger import RunCost


class Params(Frozen):
    """Which quarter."""

    quarter: str = Field(default="", pattern=r"^(\d{4}-Q[1-4])?$", description="as in 2026-Q2; empty: the one before today's")


class Result(Frozen):
    """The review in short."""

    quarter: str = Field(description="which")
    usd_at_most: float = Field(description="US dollars of all runs")
    gpu_hours_at_most: float = Field(description="their GPU hours")
    releases: int = Field(description="how many were released and kept")
    priced: bool = Field(description="whether a price of +0.01 faithfulness can be said; if not, `usd_per_point` is 0")
    usd_per_point: float = Field(description="US dollars for +0.01 faithfulness")
    usd_per_point_low: float = Field(description="lower end of its 95 % interval; 0: none can be said")
    usd_per_point_high: float = Field(description="upper end; 0: there is none, since the gain may be none")
    left_usd: float = Field(description="of the ceiling of the quarter's last month; 0 without a ceiling")
    statement: str = Field(description="whether a dollar buys less than in the quarter before")
    report: ArtifactRef = Field(description="the review as JSON")
    page: ArtifactRef = Field(description="the same as Markdown")
    notified: bool = Field(description="whether the webhook took it")
    reason: str = Field(description="why not; empty when all is well or nobody is to be told")


def run(params: Params, ctx: StepContext) -> Result:
    """Review the quarter. The same quarter again replaces its files; a webhook that fails fails nothing.

    Raises:
        TransientError, AccessError: the lake or the registry cannot be read.
    """
    quarter = params.quarter or quarter_before(quarter_of(datetime.now(UTC).date()))
    with open_lake(ctx.config, ctx.workdir) as lake:
        costs = run_costs(lake)
    result = review(quarter, costs, ctx.config.cost, taken_back=_taken_back(costs, ctx))
    folder, bought, total = ctx.artifacts / "cost-reviews", result.bought, result.total
    report, page = folder / f"{quarter}.json", folder / f"{quarter}.md"
    write_json(report, result.model_dump(mode="json"))
    write_atomic(page, as_markdown(result))
    short: dict[str, Any] = {
        "quarter": quarter,
        "usd_at_most": round(total.usd + total.uncounted_usd_at_most, 6),
        "gpu_hours_at_most": round(total.gpu_hours_at_most, 6),
        "releases": bought.releases,
        "usd_per_point": round(bought.usd_per_point or 0.0, 6),
        "usd_per_point_low": round(bought.usd_per_point_low or 0.0, 6),
        "usd_per_point_high": round(bought.usd_per_point_high or 0.0, 6),
        "left_usd": round(result.left_usd[-1], 6) if result.left_usd else 0.0,
        "statement": result.statement,
    }
    notified, reason = notify({"event": "cost-review", "run_id": ctx.run_id, **short}, ctx.config.notify)
    return Result(
        **short,
        priced=bought.usd_per_point is not None,
        report=ArtifactRef(uri=report.absolute().as_uri(), sha256=sha256_file(report)),
        page=ArtifactRef(uri=page.absolute().as_uri(), sha256=sha256_file(page)),
        notified=notified,
        reason=reason,
    )


def _taken_back(costs: list[RunCost], ctx: StepContext) -> frozenset[str]:
    """Released versions that the canary has aborted since."""
    released = sorted({cost.model for cost in costs if cost.model})
    if not released:
        return frozenset()
    client = open_registry(ctx.config, ctx.workdir)
    refs = [ModelRef.model_validate(name) for name in released]
    return frozenset(str(ref) for ref in refs if ABORTED in client.tags(ref.name, ref.version))
