from __future__ import annotations

import pytest
from pydantic import ValidationError

from steps.contract.config import CostConfig, PipelineConfig
from steps.contract.config.prices import CPU_CORE_HOUR_USD, INSTANCES, MEMORY_GIB_HOUR_USD
from steps.contract.errors import ConfigError
from steps.operate.cost.estimates import STARTUP_S, estimate_train, optimizer_steps, pod_hour_usd

SECONDS = {"trl": {"dpo": 60.0, "grpo": 600.0}}


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


def test_gpus_are_paid_by_whole_machines_all_the_time():
    found = estimate_train(config(cost={"train_gpus": 24, "train_step_s": SECONDS}), 160, "dpo")
    hours = (STARTUP_S + 40 * 60) / 3600
    assert found.cpu_core_hours == 0
    assert found.gpu_hours == pytest.approx(24 * hours)
    assert found.usd == pytest.approx(3 * 63.296 * hours)
    assert found.assumptions[-1] == "24 GPUs: 3 x p5en.48xlarge (on-demand) at 63.296 USD an hour"


def test_spot_without_a_price_counts_as_on_demand_and_says_so():
    spot = {"train_gpus": 8, "train_step_s": SECONDS, "machines": {"train": {"capacity": "spot"}}}
    found = estimate_train(config(cost=spot), 160, "dpo")
    assert found.usd == pytest.approx(63.296 * found.gpu_hours / 8) and "none is set for spot" in found.assumptions[-1]
    priced = spot | {"instances": {"p5en.48xlarge": {"hour_usd": {"spot": 20.0}}}}
    assert estimate_train(config(cost=priced), 160, "dpo").usd == pytest.approx(20 * found.gpu_hours / 8)


def test_a_pod_pays_its_cores_and_memory_or_whole_gpu_machines():
    cost = CostConfig(cpu_core_hour_usd=1.0, memory_gib_hour_usd=0.5)
    assert pod_hour_usd(cost, "label", cores=2, gib=4, gpus=0) == 4.0
    assert pod_hour_usd(cost, "gate", cores=2, gib=4, gpus=2) == INSTANCES["g6.12xlarge"].usd_an_hour("on-demand")
    assert pod_hour_usd(cost, "unknown", cores=2, gib=4, gpus=9) == 2 * 63.296


def test_the_table_has_the_documented_prices():
    assert INSTANCES["p5en.48xlarge"].gpu_hour_usd("on-demand") == pytest.approx(7.912)
    assert INSTANCES["g6.xlarge"].usd_an_hour("spot") == 0.8048
    general, compute = INSTANCES["m7i.2xlarge"], INSTANCES["c7i.2xlarge"]
    for machine in (general, compute):
        parts = machine.vcpus * CPU_CORE_HOUR_USD + machine.memory_gib * MEMORY_GIB_HOUR_USD
        assert parts == pytest.approx(machine.usd_an_hour("on-demand"))
    assert all(entry.source for entry in INSTANCES.values())


def test_a_file_names_only_what_differs():
    cost = CostConfig.model_validate(
        {"instances": {"p5en.48xlarge": {"hour_usd": {"spot": 30.0}}}, "machines": {"gate": {"instance": "g6e.xlarge"}}}
    )
    assert cost.instances["p5en.48xlarge"].hour_usd == {"on-demand": 63.296, "spot": 30.0}
    assert cost.instances.keys() == INSTANCES.keys() and cost.machines["train"].instance == "p5en.48xlarge"
    assert CostConfig.model_validate(cost.model_dump(mode="json")) == cost


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"machines": {"train": {"instance": "p9.huge"}}}, "has no price"),
        ({"train_gpus": 8}, "train_step_s.trl must say"),
        ({"train_gpus": 8, "train_step_s": {"trl": {"dpo": 1.0}}}, "train_step_s.trl must say"),
        ({"train_step_s": {"trl": {"dpo": 0.0}}}, "above 0"),
        ({"train_gpus": 8, "train_step_s": SECONDS, "machines": {"train": {"instance": "m7i.2xlarge"}}}, "has no GPU"),
        ({"instances": {"x1": {"vcpus": 1, "memory_gib": 1, "hour_usd": {"spot": 1.0}}}}, "must name on-demand"),
        ({"instances": {"g6.xlarge": {"hour_usd": {"spot": 0.0}}}}, "above 0"),
        ({"monthly_usd_limit": -1}, "greater than or equal"),
    ],
)
def test_prices_that_cannot_be_meant_are_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        CostConfig.model_validate(wrong)


def test_many_nodes_pay_their_own_gpus_and_steps():
    nemo = {"nemo": {"nodes": 3, "gpus_per_node": 8, "dpo": {"epochs": 1, "batch_pairs": 96}}}
    given = PipelineConfig.model_validate({"train": nemo, "cost": {"train_step_s": {"nemo-rl": {"dpo": 90.0}}}})
    found = estimate_train(given, 1000, "dpo", "nemo-rl")
    assert found.optimizer_steps == 10
    assert found.usd == pytest.approx(3 * 63.296 * (STARTUP_S + 900) / 3600)
    with pytest.raises(ConfigError, match="cost.train_step_s.nemo-rl.grpo: .*24 GPUs"):
        estimate_train(given, 10, "grpo", "nemo-rl")


def test_a_price_does_not_change_what_a_configuration_means():
    assert config().digest() == config(cost={"monthly_usd_limit": 5.0}).digest()
