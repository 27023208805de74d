"""No training starts that could take the month above its ceiling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.operate.cost.ledger import Gain, RunCost, gain_of, month_of, month_spent, record_cost, reserve, run_costs
from steps.operate.cost.metering import PodUse
from steps.store.lake import open_lake

NOW = datetime.now(UTC)
MONTH = month_of(NOW)
# One core at 3600 dollars an hour: a dollar a second; 12 s to start and 100 s a step.
PRICE = {"cpu_core_hour_usd": 3600.0, "train_step_s": {"trl": {"dpo": 100.0, "grpo": 100.0}}}


def pod(usd=10.0, name="p1", stage="train", **fields):
    return PodUse(id=name, stage=stage, seconds=1, cpu_core_s=1, memory_gib_s=0, gpu_s=fields.pop("gpu_s", 3600.0), usd=usd, **fields)


def cost(run_id="r1", *pods, at=NOW, **fields):
    return RunCost(run_id=run_id, at=at, workflow="continuous-training", pods=pods or (pod(),), **fields)


@pytest.fixture
def ctx(tmp_path):
    def make(run_id="r1", **limits):
        given = {"train": {"dpo": {"epochs": 1, "batch_size": 16}}, "cost": PRICE | limits}
        return StepContext(PipelineConfig.model_validate(given), run_id, tmp_path)

    return make


def estimate(ctx, **params):
    return run_step(find_step("estimate"), {"pairs": 16, **params}, ctx)


def test_what_ended_and_what_runs_both_count(ctx, tmp_path):
    with open_lake(ctx().config, tmp_path) as lake:
        record_cost(lake, cost("ended"))
        reserve(lake, "ended", usd=5.0, gpu_hours=0.0)
        spent = month_spent(lake, MONTH)
        assert (spent.usd, spent.reserved_usd) == (10.0, 5.0), "a run that is tried again reserves anew"
        record_cost(lake, cost("ended"))
        reserve(lake, "running", usd=7.0, gpu_hours=2.0)
        spent = month_spent(lake, MONTH)
        assert (spent.usd, spent.gpu_hours, spent.reserved_usd, spent.reserved_gpu_hours) == (10.0, 1.0, 7.0, 2.0)
        assert month_spent(lake, MONTH, without="running").reserved_usd == 0
        assert month_spent(lake, "2001-01").usd == 0


def test_an_estimate_within_the_ceiling_passes_and_is_reserved(ctx, tmp_path):
    found = estimate(ctx(monthly_usd_limit=200))
    assert (found.phase, found.usd, found.month_usd) == ("Successful", 112.0, 0.0)
    with open_lake(ctx().config, tmp_path) as lake:
        assert month_spent(lake, MONTH).reserved_usd == 112.0


def test_the_month_with_the_estimate_is_refused_above_the_ceiling(ctx, tmp_path):
    with open_lake(ctx().config, tmp_path) as lake:
        record_cost(lake, cost("earlier", pod(usd=89.0)))
    assert estimate(ctx(monthly_usd_limit=202)).phase == "Successful"
    found = estimate(ctx(monthly_usd_limit=200))
    assert found.phase == "Failed"
    assert "89.00 USD spent" in found.reason and "112.00 wanted" in found.reason and "cost.monthly_usd_limit 200" in found.reason
    with open_lake(ctx().config, tmp_path) as lake:
        assert month_spent(lake, MONTH).reserved_usd == 0, "a refused training reserves nothing"


def test_gpu_hours_have_a_ceiling_of_their_own(ctx, tmp_path):
    with open_lake(ctx().config, tmp_path) as lake:
        record_cost(lake, cost("earlier", pod(usd=0.0, gpu_s=36000.0)))
    found = estimate(ctx(monthly_gpu_hours_limit=9))
    assert found.phase == "Failed" and "10.00 GPU hours spent" in found.reason


def test_a_run_that_has_not_ended_holds_its_share(ctx):
    assert estimate(ctx("first", monthly_usd_limit=200)).phase == "Successful"
    second = estimate(ctx("second", monthly_usd_limit=200))
    assert second.phase == "Failed" and "112.00 reserved" in second.reason
    assert estimate(ctx("first", monthly_usd_limit=200)).phase == "Successful", "its own share is not counted twice"


def test_the_limit_of_the_run_holds_beside_the_months(ctx):
    found = estimate(ctx(), max_cost_usd=100)
    assert found.phase == "Failed" and "max-cost-usd" in found.reason
    assert estimate(ctx(), max_cost_usd=112).phase == "Successful"


def test_a_month_that_cannot_be_read_starts_nothing(ctx, tmp_path):
    (tmp_path / "lake").write_text("a file where the folder belongs")
    with pytest.raises(Exception, match="lake"):
        estimate(ctx(monthly_usd_limit=200))


def test_a_run_that_is_metered_again_keeps_what_its_lost_pods_cost(ctx, tmp_path):
    with open_lake(ctx().config, tmp_path) as lake:
        record_cost(lake, cost("r", pod(usd=4.0, name="failed"), pod(usd=1.0, name="kept")))
        record_cost(lake, cost("r", pod(usd=1.0, name="kept"), pod(usd=2.0, name="new")))
        (found,) = run_costs(lake)
    assert found.usd_at_most == 7.0 and {item.id for item in found.pods} == {"failed", "kept", "new"}


def test_a_gain_needs_an_interval():
    assert gain_of("Successful", {"faithfulness": {"delta": 0.1, "ci95": [0.0, 0.2]}}) == Gain(
        phase="Successful", delta=0.1, low=0.0, high=0.2
    )
    for metrics in (None, {}, {"faithfulness": {"delta": None, "ci95": None}}, {"faithfulness": {"delta": 0.1, "ci95": [None, None]}}):
        assert gain_of("Failed", metrics) is None
