"""Costs of runs on record, and what a month has spent and reserved."""

from __future__ import annotations

from datetime import UTC, datetime

from steps.contract.config import PipelineConfig
from steps.operate.cost.ledger import Gain, RunCost, gain_of, month_of, month_spent, record_cost, reserve, run_costs
from steps.operate.cost.metering import PodUse
from steps.store.lake import open_lake

NOW = datetime.now(UTC)


MONTH = month_of(NOW)


def pod(usd=10.0, name="p1", stage="train", **fields):
    return PodUse(id=name, stage=stage, seconds=1, cpu_core_s=1, memory_gib_s=0, gpu_s=fields.pop("gpu_s", 3600.0), usd=usd, **fields)


def cost(run_id="r1", *pods, at=NOW, **fields):
    return RunCost(run_id=run_id, at=at, workflow="continuous-training", pods=pods or (pod(),), **fields)


def test_what_ended_and_what_runs_both_count(tmp_path):
    with open_lake(PipelineConfig(), tmp_path) as lake:
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


def test_a_run_that_is_metered_again_keeps_what_its_lost_pods_cost(tmp_path):
    with open_lake(PipelineConfig(), tmp_path) as lake:
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
