"""No training starts that could take the month above its ceiling."""

from __future__ import annotations

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.operate.cost.ledger import month_spent, record_cost
from steps.store.lake import open_lake

from .test_ledger import MONTH, cost, pod

# One core at 3600 dollars an hour: a dollar a second; 12 s to start and 100 s a step.
PRICE = {"cpu_core_hour_usd": 3600.0, "train_step_s": {"trl": {"dpo": 100.0, "grpo": 100.0}}}


@pytest.fixture
def ctx(tmp_path):
    def make(run_id="r1", **limits):
        given = {"train": {"dpo": {"epochs": 1, "batch_size": 16}}, "cost": PRICE | limits}
        return StepContext(PipelineConfig.model_validate(given), run_id, tmp_path)

    return make


def estimate(ctx, **params):
    return run_step(find_step("estimate"), {"pairs": 16, **params}, ctx)


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
