"""Metrics of the gate: one comparison each, from answers and scores. Measures; decides nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.contract.config import GateConfig
from steps.gate.answers import is_fluent, is_refusal, length_words, restates_gold
from steps.gate.stats import Comparison, by_prompt, compare, compare_quantile
from steps.gate.suite import ARMS, Answer, Arm
from steps.scoring.drift import Drift
from steps.store.golden import GoldenSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LATENCY_RESAMPLES = 1000


@dataclass(frozen=True)
class Measurements:
    """Measurements that a verdict rests on.

    Attributes:
        comparisons: metric -> comparison; None where it cannot be computed.
        unscored_ratio: for each model, the share of answers that lack a judge's score.
        prompts: questions in the golden set.
        drift: how each judge scores the stored answers today; None: they were not asked.
    """

    comparisons: Mapping[str, Comparison | None]
    unscored_ratio: Mapping[str, float]
    prompts: int
    drift: tuple[Drift, ...] | None = None


def measure(golden: GoldenSet, answers: Sequence[Answer], judged: Mapping[str, NDArray[np.float64]], config: GateConfig) -> Measurements:
    """Compare candidate and champion in every metric.

    Args:
        golden: the questions.
        answers: of both models, [n_answers].
        judged: metric -> [n_answers] scores 0-1, NaN where unscored.
        config: number of resamples.
    """
    seed = int(golden.sha256[:8], 16)
    count = len(golden.items)
    prompts = np.array([answer.item for answer in answers], dtype=np.int64)
    of_arm = {arm: np.array([answer.arm == arm for answer in answers], dtype=bool) for arm in ARMS}
    columns = {**judged, **_unjudged(golden, answers)}

    def by_arm(values: NDArray[np.float64], arm: Arm) -> NDArray[np.float64]:
        return by_prompt(values[of_arm[arm]], prompts[of_arm[arm]], count)

    comparisons: dict[str, Comparison | None] = {
        name: compare(
            by_arm(values, "champion"),
            by_arm(values, "candidate"),
            samples=config.bootstrap_samples,
            seed=seed,
            widest=None if name == "length_words" else 1.0,
        )
        for name, values in columns.items()
    }
    if all(item.gold is None for item in golden.items):
        del comparisons["gold_restated"]
    latency = {arm: _latencies(answers, arm, count) for arm in ARMS}
    resamples = min(_LATENCY_RESAMPLES, config.bootstrap_samples)
    comparisons["p99_latency_ms"] = compare_quantile(latency["champion"], latency["candidate"], 0.99, samples=resamples, seed=seed)
    scored = np.logical_and.reduce([np.isfinite(values) for values in judged.values()])
    judgeable = np.array([answer.sample < config.samples_per_prompt for answer in answers], dtype=bool)
    unscored: dict[str, float] = {arm: float(np.mean(~scored[of_arm[arm] & judgeable])) for arm in ARMS}
    return Measurements(comparisons, unscored, count)


def _unjudged(golden: GoldenSet, answers: Sequence[Answer]) -> dict[str, NDArray[np.float64]]:
    """Metric -> [n_answers], without a judge; NaN where there is no answer."""
    pattern = re.compile(golden.fluency_pattern) if golden.fluency_pattern else None
    measures: dict[str, Callable[[Answer], float | bool | None]] = {
        "gold_restated": lambda answer: restates_gold(answer.text, golden.items[answer.item]),
        "fluency": lambda answer: is_fluent(answer.text, pattern),
        "refusal": lambda answer: is_refusal(answer.text),
        "length_words": lambda answer: length_words(answer.text),
    }

    def column(measure_one: Callable[[Answer], float | bool | None]) -> NDArray[np.float64]:
        values_of_answers = (None if answer.error else measure_one(answer) for answer in answers)
        return np.array([np.nan if value is None else float(value) for value in values_of_answers], dtype=np.float64)

    return {name: column(measure_one) for name, measure_one in measures.items()}


def _latencies(answers: Sequence[Answer], arm: Arm, count: int) -> list[NDArray[np.float64]]:
    """For each question, the latencies of one model's answers in milliseconds."""
    by_item: list[list[float]] = [[] for _ in range(count)]
    for answer in answers:
        if answer.arm == arm:
            by_item[answer.item].append(answer.latency_ms)
    return [np.array(values, dtype=np.float64) for values in by_item]


_UNITS = {"refusal": ("ratio", "lower"), "length_words": ("tokens", "lower"), "p99_latency_ms": ("ms", "lower")}


def to_record(name: str, comparison: Comparison) -> dict[str, Any]:
    """One metric as the report and the verdict file show it.

    `delta` is candidate minus champion in the metric's unit and `ci95` its interval; the
    unit `tokens` of `length_words` counts words between white space. The interval of the
    latency is known for its relative growth, so it is scaled to milliseconds.
    """
    unit, better = _UNITS.get(name, ("score", "higher"))
    scale = comparison.champion if name == "p99_latency_ms" else 1.0
    return {
        "champion": comparison.champion,
        "candidate": comparison.candidate,
        "delta": comparison.delta * scale,
        "ci95": [comparison.low * scale, comparison.high * scale],
        "n": comparison.n,
        "unit": unit,
        "better": better,
        "independent": name == "gold_restated",
    }
