"""The gate's promises by simulation; `make bench-gate_power` runs the same with more rounds and larger sets."""

from __future__ import annotations

import numpy as np
import pytest

from steps.contract.config import GateConfig
from steps.gate.simulation import MODES, faithfulness, latency_rates, rates

CONFIG = GateConfig(min_prompts=2, bootstrap_samples=400)
TOLERANCE = CONFIG.max_faithfulness_drop


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("prompts", [25, 100, 200])
def test_a_candidate_worse_by_the_tolerance_passes_at_most_once_in_twenty(prompts, mode):
    # Binomial standard error of a share of 5 % at 400 rounds: 1.1 points; the nominal share is 2.5 %.
    assert rates(prompts, TOLERANCE, mode, CONFIG, rounds=400, seed=prompts).passed <= 0.05


@pytest.mark.parametrize("mode", MODES)
def test_a_candidate_worse_by_more_hardly_ever_passes(mode):
    assert rates(100, 0.05, mode, CONFIG, rounds=300, seed=3).passed <= 0.02


def test_power_grows_with_the_golden_set_and_suffices_at_production_size():
    small, large = (rates(prompts, 0.0, "everywhere", CONFIG, rounds=100, seed=1) for prompts in (100, 500))
    assert small.passed < large.passed and large.passed >= 0.9


def test_a_set_that_cannot_tell_is_inconclusive_not_failed():
    found = rates(25, 0.0, "everywhere", CONFIG, rounds=200, seed=2)
    assert found.inconclusive >= 0.95 and found.failed <= 0.02


def test_a_large_set_fails_a_worse_candidate():
    assert rates(500, 0.05, "on a quarter", CONFIG, rounds=60, seed=4).failed >= 0.9


def test_a_p99_grown_by_the_tolerance_passes_at_most_once_in_twenty():
    config = CONFIG.model_copy(update={"bootstrap_samples": 200})
    assert latency_rates(200, 0.10, config, rounds=60, seed=5).passed <= 0.05


@pytest.mark.parametrize("mode", MODES)
def test_the_simulated_drop_is_the_true_one(mode):
    champion, candidate = faithfulness(np.random.default_rng(6), 200_000, TOLERANCE, mode, 4)
    assert champion.mean() - candidate.mean() == pytest.approx(TOLERANCE, abs=0.002)
    assert min(champion.min(), candidate.min()) >= 0 and max(champion.max(), candidate.max()) <= 1
