"""Bills: what a run or a month cost by stage, from the records in the lake. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from steps.contract.config import CostConfig
from steps.contract.config.prices import HOUR_S
from steps.contract.refs import Frozen
from steps.operate.cost.ledger import RunCost, month_of
from steps.operate.cost.metering import PodUse


class StageBill(Frozen):
    """One stage, over all pods of the bill."""

    stage: str = Field(description="the step")
    pods: int = Field(description="how many")
    hours: float = Field(description="their containers' time")
    cpu_core_hours: float = Field(description="as requested")
    gpu_hours: float = Field(description="as requested")
    usd: float = Field(description="of the pods that were counted")
    uncounted_usd_at_most: float = Field(description="upper bound of those that nobody counted")
    usd_an_hour: float = Field(description="mean price of an hour")
    budget_ratio: float | None = Field(description="of the month's ceiling in US dollars; None: there is none")


class Bill(Frozen):
    """Stages, dearest first, and their sum."""

    of: str = Field(description="the run or the month")
    runs: int = Field(description="how many runs it holds")
    stages: tuple[StageBill, ...] = Field(description="one row per stage")
    usd: float = Field(description="of all pods that were counted")
    uncounted_usd_at_most: float = Field(description="upper bound of the others")
    gpu_hours_at_most: float = Field(description="of all")
    monthly_usd_limit: float = Field(description="the ceiling; 0: none")
    monthly_gpu_hours_limit: float = Field(description="likewise")
    budget_ratio: float | None = Field(description="of the ceiling in US dollars; None: there is none")


def bill(of: str, costs: Sequence[RunCost], config: CostConfig) -> Bill:
    """The bill of some runs."""
    pods = [pod for cost in costs for pod in cost.pods]
    stages = [_stage(name, [pod for pod in pods if pod.stage == name], config) for name in sorted({pod.stage for pod in pods})]
    stages.sort(key=lambda row: -(row.usd + row.uncounted_usd_at_most))
    usd, uncounted = sum(row.usd for row in stages), sum(row.uncounted_usd_at_most for row in stages)
    return Bill(
        of=of,
        runs=len(costs),
        stages=tuple(stages),
        usd=usd,
        uncounted_usd_at_most=uncounted,
        gpu_hours_at_most=sum(row.gpu_hours for row in stages),
        monthly_usd_limit=config.monthly_usd_limit,
        monthly_gpu_hours_limit=config.monthly_gpu_hours_limit,
        budget_ratio=_share(usd + uncounted, config),
    )


def month_bill(month: str, costs: Sequence[RunCost], config: CostConfig) -> Bill:
    """The bill of the runs that ended in a UTC month."""
    return bill(month, [cost for cost in costs if month_of(cost.at) == month], config)


def _stage(name: str, pods: Sequence[PodUse], config: CostConfig) -> StageBill:
    hours = sum(pod.seconds for pod in pods) / HOUR_S
    usd, uncounted = sum(pod.usd for pod in pods if pod.metered), sum(pod.usd for pod in pods if not pod.metered)
    return StageBill(
        stage=name,
        pods=len(pods),
        hours=hours,
        cpu_core_hours=sum(pod.cpu_core_s for pod in pods) / HOUR_S,
        gpu_hours=sum(pod.gpu_s for pod in pods) / HOUR_S,
        usd=usd,
        uncounted_usd_at_most=uncounted,
        usd_an_hour=(usd + uncounted) / hours if hours else 0.0,
        budget_ratio=_share(usd + uncounted, config),
    )


def _share(usd: float, config: CostConfig) -> float | None:
    return usd / config.monthly_usd_limit if config.monthly_usd_limit else None
