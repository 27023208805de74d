from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.gate.stats import by_prompt, compare, compare_quantile


def simulate(rng, prompts, delta, samples_per_prompt=4):
    """Correlated answers: every prompt has its own difficulty, shared by both models."""
    skill = rng.beta(4, 2, prompts)
    champion = rng.binomial(samples_per_prompt, skill) / samples_per_prompt
    candidate = rng.binomial(samples_per_prompt, np.clip(skill + delta, 0, 1)) / samples_per_prompt
    return champion, candidate, float((np.clip(skill + delta, 0, 1) - skill).mean())


@pytest.mark.parametrize("prompts", [40, 120])
def test_the_interval_covers_the_truth_at_least_95_times_in_100(prompts):
    rng = np.random.default_rng(1)
    hits, rounds = 0, 600
    for turn in range(rounds):
        champion, candidate, truth = simulate(rng, prompts, -0.05)
        found = compare(champion, candidate, samples=400, seed=turn)
        hits += found.low <= truth <= found.high
    # Binomial standard error of the share at 600 rounds: 0.9 points.
    assert hits / rounds >= 0.935


def test_equal_models_keep_the_detectable_tolerance_8_times_in_10():
    rng = np.random.default_rng(2)
    base = compare(*simulate(rng, 200, 0.0)[:2], samples=800, seed=0)
    tolerance = base.detectable(base.delta - base.low)
    assert base.power(base.delta - base.low, tolerance) == pytest.approx(0.8)
    kept = sum(compare(*simulate(rng, 200, 0.0)[:2], samples=300, seed=turn).low >= -tolerance for turn in range(300))
    assert 0.7 <= kept / 300 <= 0.9


def test_pairing_removes_the_difficulty_of_prompts():
    rng = np.random.default_rng(3)
    difficulty = rng.uniform(0, 1, 100)
    paired = compare(difficulty, difficulty + rng.normal(0, 0.01, 100), samples=500, seed=0)
    unpaired = compare(difficulty, rng.permutation(difficulty), samples=500, seed=0)
    assert paired.standard_error * 10 < unpaired.standard_error


def test_the_same_seed_gives_the_same_interval():
    champion, candidate, _ = simulate(np.random.default_rng(4), 30, 0.1)
    assert compare(champion, candidate, samples=300, seed=5) == compare(champion, candidate, samples=300, seed=5)
    assert compare(champion, candidate, samples=300, seed=5) != compare(champion, candidate, samples=300, seed=6)


def test_the_number_of_prompts_that_is_asked_for_detects_the_tolerance():
    rng = np.random.default_rng(5)
    few = compare(*simulate(rng, 60, 0.0)[:2], samples=2000, seed=0)
    assert few.detectable(few.delta - few.low) > 0.05
    many = compare(*simulate(rng, few.prompts_needed(few.delta - few.low, 0.05), 0.0)[:2], samples=2000, seed=0)
    assert many.detectable(many.delta - many.low) <= 0.05


def test_no_number_of_prompts_detects_no_drop_at_all():
    assert compare(np.array([0.9, 0.8, 0.7]), np.array([0.5, 0.6, 0.5]), samples=200, seed=0).prompts_needed(0.1, 0.0) == 0


@pytest.mark.parametrize(("prompts", "half"), [(20, 0.168), (100, 0.0362), (500, 0.00735)])
def test_equal_scores_are_no_proof_that_the_next_prompt_is_equal(prompts, half):
    """With n equal prompts, the share on which a model fails is below 1 - 0.025^(1/n) with 97.5 % confidence."""
    values = np.linspace(0, 1, prompts)
    found = compare(values, values, samples=20_000, seed=0)
    assert (found.delta, found.standard_error) == (0, 0)
    assert found.high == -found.low == pytest.approx(half, rel=0.06) or -found.low == pytest.approx(half, rel=0.06)


def test_lengths_have_no_largest_difference():
    values = np.linspace(5, 50, 30)
    found = compare(values, values, samples=200, seed=0, widest=None)
    assert (found.low, found.high) == (0, 0)


def test_prompts_that_one_model_has_no_score_for_are_left_out():
    found = compare(np.array([0.0, np.nan, 1.0, 1.0]), np.array([1.0, 1.0, np.nan, 1.0]), samples=200, seed=0)
    assert (found.n, found.champion, found.candidate) == (2, 0.5, 1.0)


@pytest.mark.parametrize("champion", [[], [0.5], [np.nan, 0.5], [np.nan, np.nan]])
def test_too_little_is_not_compared(champion):
    values = np.array(champion)
    assert compare(values, values, samples=200, seed=0) is None


def test_answers_are_averaged_by_prompt_first():
    values = np.array([1.0, 0.0, np.nan, 0.5, np.nan])
    assert by_prompt(values, np.array([0, 0, 0, 1, 2]), 4) == pytest.approx(np.array([0.5, 0.5, np.nan, np.nan]), nan_ok=True)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=20))
def test_the_interval_is_ordered_and_within_the_scale(pairs):
    champion, candidate = (np.array(side) for side in zip(*pairs, strict=True))
    found = compare(champion, candidate, samples=200, seed=0)
    assert found.low <= found.high
    assert found.delta == pytest.approx(found.candidate - found.champion)
    assert found.low <= found.delta + 3 * found.standard_error and found.high >= found.delta - 3 * found.standard_error


def test_quantile_growth():
    rng = np.random.default_rng(6)
    champion = [rng.exponential(100, 8) for _ in range(50)]
    same = compare_quantile(champion, [values.copy() for values in champion], 0.99, samples=200, seed=0)
    slower = compare_quantile(champion, [values * 1.5 for values in champion], 0.99, samples=200, seed=0)
    assert same.delta == pytest.approx(0) and same.low <= 0 <= same.high
    assert slower.delta == pytest.approx(0.5) and slower.low > 0.10


@pytest.mark.parametrize("champion", [[], [[1.0]], [[np.nan], [1.0]], [[0.0], [0.0]]])
def test_quantiles_of_too_little_are_not_compared(champion):
    arms = [np.array(values) for values in champion]
    assert compare_quantile(arms, arms, 0.99, samples=200, seed=0) is None
