"""Costs of runs in the lake's `runs`, and what a month has spent of its ceiling.

A run leaves two records: what its training was expected to cost, before a GPU starts
(`cost-estimate`), and what all of it did cost, at its end (`cost`). A month's spending is the
second where it is known and the first until then, so that two runs at once cannot both
spend what is left. A run counts in the UTC month in which it ended (or was estimated).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from steps.contract.config import CostConfig
from steps.contract.refs import Frozen
from steps.operate.cost.metering import PodUse

if TYPE_CHECKING:
    from steps.store.lake import Lake, RunRecord

COST, ESTIMATE = "cost", "cost-estimate"


class Gain(Frozen):
    """What the gate measured of a run's candidate: faithfulness, candidate minus champion, 0-1, with its 95 % interval."""

    phase: str
    delta: float
    low: float
    high: float


class RunCost(Frozen):
    """One run's metered cost."""

    run_id: str = Field(description="of the run")
    at: datetime = Field(description="when it was metered, UTC")
    workflow: str = Field(description="its WorkflowTemplate or `ctp run`")
    pods: tuple[PodUse, ...] = Field(description="what it used")
    gain: Gain | None = Field(default=None, description="what the gate said of its candidate; None: it had none")
    model: str = Field(default="", description="the version that it pinned; empty: none")

    @property
    def usd_at_most(self) -> float:
        """US dollars of all pods; of those that nobody counted, an upper bound."""
        return sum(pod.usd for pod in self.pods)

    @property
    def gpu_hours_at_most(self) -> float:
        """GPU hours, likewise."""
        return sum(pod.gpu_s for pod in self.pods) / 3600


class Spent(Frozen):
    """A month so far."""

    usd: float = Field(default=0.0, description="metered, with upper bounds where nothing was counted")
    gpu_hours: float = Field(default=0.0, description="likewise")
    reserved_usd: float = Field(default=0.0, description="estimates of runs that have not ended")
    reserved_gpu_hours: float = Field(default=0.0, description="likewise")


def month_of(moment: datetime) -> str:
    """The UTC month, as in 2026-05."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def record_cost(lake: Lake, cost: RunCost) -> RunCost:
    """Put a run's cost on record; returns it with the pods of an earlier record that are not in it.

    A workflow that is tried again as a whole (`argo retry`) forgets its failed pods, which were paid.
    """
    for earlier in run_costs(lake, run_id=cost.run_id):
        known = {pod.id for pod in cost.pods}
        cost = cost.model_copy(update={"pods": (*cost.pods, *(pod for pod in earlier.pods if pod.id not in known))})
    payload = cost.model_dump(mode="json", exclude={"run_id"})
    lake.append_run_record(cost.run_id, COST, payload, key=f"{COST}:{cost.run_id}")
    return cost


def reserve(lake: Lake, run_id: str, *, usd: float, gpu_hours: float) -> None:
    """Put on record what a run's training is expected to cost; 0 gives it back."""
    lake.append_run_record(run_id, ESTIMATE, {"usd": usd, "gpu_hours": gpu_hours}, key=f"{ESTIMATE}:{run_id}")


def run_costs(lake: Lake, *, run_id: str = "") -> list[RunCost]:
    """Metered costs of one run or all, in the order of their records."""
    return [_cost(record) for record in lake.run_records(COST, run_id=run_id)]


def _cost(record: RunRecord) -> RunCost:
    return RunCost.model_validate({**record.payload, "run_id": record.run_id})


def month_spent(lake: Lake, month: str, *, without: str = "") -> Spent:
    """What a month has spent, and what runs that have not ended have reserved of it; not what the run `without` has."""
    records = lake.run_records(COST)
    costs, ended = [_cost(record) for record in records], {record.run_id: record.at for record in records}
    # A run that is tried again reserves anew after it was metered.
    open_ones = [
        record.payload
        for record in lake.run_records(ESTIMATE)
        if month_of(record.at) == month and record.run_id != without and (record.run_id not in ended or ended[record.run_id] < record.at)
    ]
    counted = [cost for cost in costs if month_of(cost.at) == month]
    return Spent(
        usd=sum(cost.usd_at_most for cost in counted),
        gpu_hours=sum(cost.gpu_hours_at_most for cost in counted),
        reserved_usd=sum(float(payload["usd"]) for payload in open_ones),
        reserved_gpu_hours=sum(float(payload["gpu_hours"]) for payload in open_ones),
    )


def over_limit(cost: CostConfig, spent: Spent, month: str, *, usd: float, gpu_hours: float) -> str:
    """Why a training must not start, in one line; empty: it may."""
    for name, limit, unit, past, held, wanted in (
        ("monthly_usd_limit", cost.monthly_usd_limit, "USD", spent.usd, spent.reserved_usd, usd),
        ("monthly_gpu_hours_limit", cost.monthly_gpu_hours_limit, "GPU hours", spent.gpu_hours, spent.reserved_gpu_hours, gpu_hours),
    ):
        if limit and past + held + wanted > limit:
            return (
                f"budget of {month}: {past:.2f} {unit} spent, {held:.2f} reserved by runs that have not ended, {wanted:.2f} wanted: "
                f"above cost.{name} {limit:g}"
            )
    return ""


def gain_of(phase: str, metrics: Mapping[str, Any] | None) -> Gain | None:
    """The gate's faithfulness difference out of its `metrics`; None where it measured none."""
    metric = (metrics or {}).get("faithfulness") or {}
    numbers: Iterable[Any] = (metric.get("delta"), *(metric.get("ci95") or (None, None)))
    delta, low, high = numbers
    if delta is None or low is None or high is None:
        return None
    return Gain(phase=phase, delta=delta, low=low, high=high)
