"""The gate's statistics: how often a candidate that is worse by the tolerance passes, and how often an equal one does.

Every row is a share of simulated gates whose truth is known (`steps.gate.simulation`).
"""

from __future__ import annotations

from bench.row import Row
from steps.contract.config import GateConfig
from steps.gate.simulation import MODES, Rates, latency_rates, rates

PROMPTS = (100, 500, 2000)
ROUNDS = 600
LATENCY_ROUNDS = 150
# Fewer resamples than in production, for time; more only make the ends of the intervals steadier.
CONFIG = GateConfig(min_prompts=2, bootstrap_samples=400)
MAX_FALSE_PASS = 0.05
MIN_POWER = 0.80
# From this size on, what production uses, the power has a target.
ENOUGH = 500


def measure() -> list[Row]:
    """False passes at the tolerance and beyond, and power, for each size of golden set."""
    tolerance = CONFIG.max_faithfulness_drop
    rows: list[Row] = []
    for prompts in PROMPTS:
        for mode in MODES:
            for drop in (tolerance, tolerance * 5 / 3):
                found = rates(prompts, drop, mode, CONFIG, rounds=ROUNDS, seed=prompts)
                rows.append(_false_pass(f"n={prompts} · truly {drop:.2f} worse, {mode}", found))
        rows.append(_power(f"n={prompts} · equal", rates(prompts, 0.0, "everywhere", CONFIG, rounds=ROUNDS, seed=prompts), prompts))
        better = rates(prompts, -0.02, "everywhere", CONFIG, rounds=ROUNDS, seed=prompts)
        rows.append(_power(f"n={prompts} · truly 0.02 better", better, prompts))
    return rows + _latency()


def _latency() -> list[Row]:
    """The same for p99 latency with as many timed answers as production asks for."""
    config = CONFIG.model_copy(update={"latency_samples_per_prompt": 16})
    limit = config.max_p99_latency_growth_ratio
    grown = latency_rates(ENOUGH, limit, config, rounds=LATENCY_ROUNDS, seed=1)
    equal = latency_rates(ENOUGH, 0.0, config, rounds=LATENCY_ROUNDS, seed=1)
    few = latency_rates(ENOUGH, 0.0, CONFIG, rounds=LATENCY_ROUNDS, seed=1)
    return [
        _false_pass(f"n={ENOUGH} · p99 truly grown by {limit:.0%}, 16 timed answers", grown),
        _power(f"n={ENOUGH} · p99 equal, 16 timed answers", equal, ENOUGH),
        _power(f"n={ENOUGH} · p99 equal, 4 timed answers", few, 0),
    ]


def _false_pass(name: str, found: Rates) -> Row:
    said = f"{found.rounds} gates: {found.failed:.1%} failed, {found.inconclusive:.1%} inconclusive"
    return Row(
        name=f"false passes · {name}",
        value=found.passed,
        unit="ratio",
        baseline=said,
        target=f"at most {MAX_FALSE_PASS:.0%}",
        ok=found.passed <= MAX_FALSE_PASS,
    )


def _power(name: str, found: Rates, prompts: int) -> Row:
    said = f"{found.rounds} gates: {found.failed:.1%} failed, {found.inconclusive:.1%} inconclusive"
    bound = prompts >= ENOUGH
    return Row(
        name=f"power · {name}",
        value=found.passed,
        unit="ratio",
        baseline=said,
        target=f"at least {MIN_POWER:.0%}" if bound else "",
        ok=found.passed >= MIN_POWER if bound else None,
    )
