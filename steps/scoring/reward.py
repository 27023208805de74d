"""From label components to one reward: pure functions, so that reweighting needs no judge."""

from __future__ import annotations

import math
from collections.abc import Mapping

from steps.contract.config import RewardWeights

COMPONENTS = ("faithfulness", "judge", "answer_relevancy", "context_precision")
REQUIRED = ("faithfulness", "judge")
DECIMALS = 6


def weighted(weights: RewardWeights) -> dict[str, float]:
    """Components with a weight above 0, normalised to sum to 1."""
    raw = {name: getattr(weights, name) for name in COMPONENTS}
    total = sum(raw.values())
    return {name: weight / total for name, weight in raw.items() if weight > 0}


def final_score(components: Mapping[str, float | None], weights: RewardWeights) -> float | None:
    """Weighted mean of the components that could be scored, 0-1, rounded to 6 decimals.

    None (unscored, never 0) when a required component with a weight is missing, or nothing is left to average.
    """
    shares = weighted(weights)
    values = {name: components.get(name) for name in shares}
    if any(name in shares and values[name] is None for name in REQUIRED):
        return None
    present = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    total = sum(shares[name] for name in present)
    if not present or total <= 0:
        return None
    return round(sum(shares[name] * value for name, value in present.items()) / total, DECIMALS)
