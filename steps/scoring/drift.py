"""Drift of a judge: whether stored answers, scored again each cycle, get the scores they got. Pure.

The golden set holds answers that never change, good ones and bad ones. Their scores by one
judge are recorded once. A judge whose scores moved since, or that cannot tell the good from
the bad, measures something else than it did, and nothing it says can be compared with before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

from pydantic import Field

from steps.contract.config import GateConfig
from steps.contract.refs import Frozen

Role = Literal["reward", "gate"]
# Each stored answer's key -> metric -> score 0-1; None: the judge could not score it.
References = Mapping[str, Mapping[str, float | None]]
GOOD, BAD = "good", "bad"


class Drift(Frozen):
    """One judge today against its record."""

    role: Role = Field(description="which judge")
    answers: int = Field(default=0, description="stored answers that were scored")
    shift: float | None = Field(
        default=None, description="the largest change of a mean score, over metrics and over good and bad answers, 0-1"
    )
    noise: float | None = Field(default=None, description="the largest mean change of a single score, whatever its sign, over metrics")
    separation: float | None = Field(default=None, description="mean score of the good answers minus that of the bad ones")
    limit: float = Field(description="the largest shift that is tolerated")
    recorded: bool = Field(default=False, description="this was the first time, so that today's scores became the record")
    ok: bool = Field(description="whether the judge may be used")
    reason: str = Field(description="one sentence with the numbers")


def judge_drift(role: Role, now: References, record: References | None, config: GateConfig) -> Drift:
    """Compare today's scores with the record; without a record, only ask whether the judge can tell good from bad.

    Args:
        role: which judge.
        now: today's scores; keys begin with `good/` or `bad/`.
        record: the scores of the first time.
        config: the limits.
    """
    metrics = sorted({metric for scores in now.values() for metric in scores})
    if not now or not metrics:
        return Drift(role=role, limit=config.max_judge_drift, ok=False, reason=f"{role} judge: the golden set holds no stored answers")
    unscored = fmean(any(value is None for value in scores.values()) for scores in now.values())
    separation = _separation(now, "faithfulness" if "faithfulness" in metrics else metrics[0])
    shift, noise = (0.0, 0.0) if record is None else _changes(now, record, metrics)
    checks = (
        (unscored <= config.max_unscored_ratio, f"{unscored:.1%} of the stored answers unscored, limit {config.max_unscored_ratio:.1%}"),
        (separation >= config.min_judge_separation, f"good minus bad {separation:.3f}, at least {config.min_judge_separation:.3f}"),
        (shift <= config.max_judge_drift, f"mean score moved by {shift:.3f}, limit {config.max_judge_drift:.3f}"),
        (noise <= config.max_judge_noise, f"single scores moved by {noise:.3f}, limit {config.max_judge_noise:.3f}"),
    )
    broken = [reason for held, reason in checks if not held]
    reasons = broken or [reason for _, reason in checks[1 : 2 if record is None else None]]
    return Drift(
        role=role,
        answers=len(now),
        shift=_number(shift),
        noise=_number(noise),
        separation=_number(separation),
        limit=config.max_judge_drift,
        recorded=record is None and not broken,
        ok=not broken,
        reason=f"{role} judge on {len(now)} stored answers{' (first time, recorded)' if record is None else ''}: {'; '.join(reasons)}",
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _values(scores: References, metric: str, kind: str) -> list[float]:
    values = (scored.get(metric) for key, scored in scores.items() if key.startswith(f"{kind}/"))
    return [value for value in values if value is not None]


def _separation(scores: References, metric: str) -> float:
    """Mean of the good answers minus mean of the bad ones; minus infinity when one kind has no score."""
    good, bad = _values(scores, metric, GOOD), _values(scores, metric, BAD)
    return fmean(good) - fmean(bad) if good and bad else -math.inf


def _changes(now: References, record: References, metrics: Sequence[str]) -> tuple[float, float]:
    """(largest shift of a mean, largest mean change of a single score), over answers that both times have a score."""
    shifts, noises = [], []
    for metric in metrics:
        every: list[float] = []
        for kind in (GOOD, BAD):
            moved = []
            for key in now:
                before, after = record.get(key, {}).get(metric), now[key].get(metric)
                if key.startswith(f"{kind}/") and before is not None and after is not None:
                    moved.append(after - before)
            shifts.append(abs(fmean(moved)) if moved else math.inf)
            every += moved
        noises.append(fmean(map(abs, every)) if every else math.inf)
    return max(shifts), max(noises)
