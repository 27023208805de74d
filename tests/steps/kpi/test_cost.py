from __future__ import annotations

import pytest

from steps.config import PipelineConfig
from steps.kpi.cost import STARTUP_S, estimate_train, optimizer_steps, stage_costs


def config(**blocks):
    train = {"dpo": {"epochs": 4, "batch_size": 16}, "grpo": {"max_steps": 7}}
    return PipelineConfig.model_validate({"train": train, **blocks})


@pytest.mark.parametrize(("pairs", "steps"), [(0, 0), (1, 4), (16, 4), (17, 8), (184, 48)])
def test_dpo_steps_follow_pairs(pairs, steps):
    assert optimizer_steps(config(), pairs, "dpo") == steps


def test_grpo_steps_are_configured():
    assert optimizer_steps(config(), 1000, "grpo") == 7


def test_without_gpus_one_core_is_paid():
    found = estimate_train(config(cost={"cpu_core_hour_usd": 1.0}), 184, "dpo")
    assert found.gpu_hours == 0
    assert found.cpu_core_hours == pytest.approx((STARTUP_S + 48 * 0.30) / 3600)
    assert found.usd == pytest.approx(found.cpu_core_hours)
    assert any("set cost.train_step_s" in line for line in found.assumptions)


def test_gpus_are_paid_all_the_time():
    found = estimate_train(config(cost={"train_gpus": 24, "gpu_hour_usd": 8.0, "train_step_s": 60.0}), 160, "dpo")
    assert found.cpu_core_hours == 0
    assert found.gpu_hours == pytest.approx(24 * (STARTUP_S + 40 * 60) / 3600)
    assert found.usd == pytest.approx(8 * found.gpu_hours)
    assert found.assumptions[-1] == "24 GPUs at 8.0 USD an hour"


def test_stage_costs_use_the_gpu_price_for_training_only():
    cost = {"cpu_core_hour_usd": 3.6, "train_gpus": 2, "gpu_hour_usd": 36.0}
    assert stage_costs({"label": 100, "train": 100}, config(cost=cost)) == pytest.approx({"label": 0.1, "train": 2.0})
    assert stage_costs({"train": 100}, config(cost=cost | {"train_gpus": 0})) == pytest.approx({"train": 0.1})
