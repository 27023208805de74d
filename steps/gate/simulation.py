"""Simulated golden sets with a known truth: how often a worse candidate passes, and an equal one does.

Scores as judges give them: bounded 0-1, the share of an answer's statements that its contexts
support; several answers to each prompt, whose quality is mostly the prompt's, so that both
models find the same prompts hard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from steps.contract.config import GateConfig
from steps.contract.spec import Phase
from steps.gate.metrics import Measurements
from steps.gate.stats import Comparison, compare, compare_quantile
from steps.gate.verdict import decide

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How the same mean drop is spread over prompts: a little on every prompt, much on a quarter of
# them, everything on a few, and everything on a few while all other answers are the very same.
Mode = Literal["everywhere", "on a quarter", "total on a few", "total on a few, else equal"]
MODES: tuple[Mode, ...] = ("everywhere", "on a quarter", "total on a few", "total on a few, else equal")
# Beta(9, 1): mean 0.9, many prompts near 1 and a tail of hard ones.
_SKILL = (9.0, 1.0)
_MOST_STATEMENTS = 6
# Latency: log-normal, spread between prompts and between answers to one prompt.
_BETWEEN, _WITHIN, _MEDIAN_MS = 0.4, 0.25, 800.0


@dataclass(frozen=True)
class Rates:
    """Shares of simulated gates by their phase, 0-1."""

    passed: float
    failed: float
    inconclusive: float
    rounds: int


def rates(prompts: int, drop: float, mode: Mode, config: GateConfig, *, rounds: int, seed: int) -> Rates:
    """Run the gate's decision on simulated faithfulness; every other metric is the same for both models.

    Args:
        prompts: questions of the golden set.
        drop: true drop of the candidate's mean faithfulness, 0-1.
        mode: how it is spread.
        config: the gate's limits, samples and resamples.
        rounds: simulated gates.
        seed: the same seed gives the same rates.
    """
    rng = np.random.default_rng(seed)
    phases: list[Phase] = []
    for turn in range(rounds):
        champion, candidate = faithfulness(rng, prompts, drop, mode, config.samples_per_prompt)
        comparison = compare(champion, candidate, samples=config.bootstrap_samples, seed=turn)
        phases.append(_decide("faithfulness", comparison, prompts, config))
    return _rates(phases)


def latency_rates(prompts: int, growth: float, config: GateConfig, *, rounds: int, seed: int) -> Rates:
    """Rates of the decision on a p99 latency that truly grew by `growth`."""
    rng = np.random.default_rng(seed)
    phases: list[Phase] = []
    for turn in range(rounds):
        base = rng.normal(np.log(_MEDIAN_MS), _BETWEEN, (prompts, 1))
        shape = (prompts, config.samples_asked)
        arms = [np.exp(base + rng.normal(0, _WITHIN, shape)) * factor for factor in (1.0, 1.0 + growth)]
        comparison = compare_quantile(list(arms[0]), list(arms[1]), 0.99, samples=config.bootstrap_samples, seed=turn)
        phases.append(_decide("p99_latency_ms", comparison, prompts, config))
    return _rates(phases)


def faithfulness(
    rng: np.random.Generator, prompts: int, drop: float, mode: Mode, samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[prompts] mean scores of champion and candidate, whose true means differ by `drop`; below 0 it is a gain everywhere."""
    a, b = _SKILL
    mean = a / (a + b)
    skill = rng.beta(a, b, prompts)
    statements = rng.integers(1, _MOST_STATEMENTS + 1, (prompts, 1))
    if drop < 0:
        gained = skill - drop / (1 - mean) * (1 - skill)
        return _scores(rng, skill, statements, samples), _scores(rng, gained, statements, samples)
    if mode == "total on a few, else equal":
        champion = _scores(rng, skill, statements, samples)
        return champion, np.where(rng.random(prompts) < drop / mean, 0.0, champion)
    kept = {
        "everywhere": np.full(prompts, 1 - drop / mean),
        "on a quarter": np.where(rng.random(prompts) < 0.25, 1 - 4 * drop / mean, 1.0),
        "total on a few": np.where(rng.random(prompts) < drop / mean, 0.0, 1.0),
    }[mode]
    return _scores(rng, skill, statements, samples), _scores(rng, skill * kept, statements, samples)


def _scores(rng: np.random.Generator, skill: NDArray[np.float64], statements: NDArray[np.int64], samples: int) -> NDArray[np.float64]:
    """Mean over `samples` answers of the share of supported statements."""
    counts = np.maximum(1, statements + rng.integers(-1, 2, (len(skill), samples)))
    means: NDArray[np.float64] = (rng.binomial(counts, skill[:, None]) / counts).mean(axis=1)
    return means


def _decide(metric: str, comparison: Comparison | None, prompts: int, config: GateConfig) -> Phase:
    """The decision when every other metric is certain and equal."""
    comparisons: dict[str, Comparison | None] = {
        name: Comparison(value, value, 0.0, 0.0, 0.0, 0.0, prompts)
        for name, value in (
            ("faithfulness", 1.0),
            ("answer_relevancy", 1.0),
            ("fluency", 1.0),
            ("refusal", 0.0),
            ("length_words", 50.0),
            ("p99_latency_ms", _MEDIAN_MS),
        )
    }
    measured = Measurements(comparisons | {metric: comparison}, {"champion": 0.0, "candidate": 0.0}, prompts)
    # The absolute floor is another rule: here only the difference decides.
    return decide(measured, config.model_copy(update={"min_faithfulness": 0.0})).phase


def _rates(phases: list[Phase]) -> Rates:
    shares = [phases.count(phase) / len(phases) for phase in ("Successful", "Failed", "Inconclusive")]
    return Rates(shares[0], shares[1], shares[2], len(phases))
