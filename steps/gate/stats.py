"""Paired statistics of two models that answered the same prompts.

Answers to one prompt resemble each other, so the prompt is the unit that is resampled
(cluster bootstrap) and n counts prompts, never answers.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 13;
Miller, Adding Error Bars to Evals (2024), arXiv 2411.00640, on paired and clustered evals.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Z_95_TWO_SIDED = NormalDist().inv_cdf(0.975)
Z_80_POWER = NormalDist().inv_cdf(0.80)
_BLOCK = 1_000_000


@dataclass(frozen=True)
class Comparison:
    """Candidate against champion on n prompts.

    Attributes:
        champion: mean over prompts.
        candidate: mean over prompts.
        delta: candidate minus champion.
        low: lower end of the 95 % interval of delta.
        high: upper end.
        standard_error: of delta.
        n: prompts compared.
    """

    champion: float
    candidate: float
    delta: float
    low: float
    high: float
    standard_error: float
    n: int

    @property
    def minimum_detectable_drop(self) -> float:
        """The true drop that this comparison would notice in 80 of 100 repetitions."""
        return (Z_95_TWO_SIDED + Z_80_POWER) * self.standard_error

    def prompts_to_settle(self, max_drop: float) -> int:
        """About how many prompts would bring the lower end above `-max_drop` if delta stayed as it is; 0: none would."""
        room = self.delta + max_drop
        if room <= 0:
            return 0
        return int(np.ceil(self.n * (Z_95_TWO_SIDED * self.standard_error / room) ** 2))


def by_prompt(values: NDArray[np.float64], prompts: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Mean of each prompt's finite values.

    Args:
        values: [n_answers], NaN where unscored.
        prompts: [n_answers], prompt numbers from 0 to count - 1.
        count: number of prompts.

    Returns:
        [count], NaN for a prompt without a finite value.
    """
    known = np.isfinite(values)
    totals = np.bincount(prompts[known], weights=values[known], minlength=count)
    counts = np.bincount(prompts[known], minlength=count)
    means = np.full(count, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def compare(champion: NDArray[np.float64], candidate: NDArray[np.float64], *, samples: int, seed: int) -> Comparison | None:
    """Paired bootstrap over prompts with a 95 % percentile interval.

    The interval is widened by sqrt(n / (n - 1)), because resampling n differences
    understates their spread by that factor.

    Args:
        champion: [n_prompts] means by prompt, NaN where nothing was scored.
        candidate: the same prompts in the same order.
        samples: resamples.
        seed: the same seed gives the same interval.

    Returns:
        None when fewer than two prompts were scored for both.
    """
    both = np.isfinite(champion) & np.isfinite(candidate)
    n = int(both.sum())
    if n < 2:
        return None
    differences = candidate[both] - champion[both]
    delta = float(differences.mean())
    means = _resampled_means(differences, samples, np.random.default_rng(seed))
    widened = delta + (means - delta) * np.sqrt(n / (n - 1))
    low, high = np.quantile(widened, (0.025, 0.975))
    return Comparison(
        champion=float(champion[both].mean()),
        candidate=float(candidate[both].mean()),
        delta=delta,
        low=float(low),
        high=float(high),
        standard_error=float(widened.std(ddof=1)),
        n=n,
    )


def _resampled_means(values: NDArray[np.float64], samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of `samples` resamples, in blocks so that memory does not grow with n times samples."""
    n = len(values)
    block = max(1, _BLOCK // n)
    parts = [values[rng.integers(0, n, size=(min(block, samples - start), n))].mean(axis=1) for start in range(0, samples, block)]
    return np.concatenate(parts)


def compare_quantile(
    champion: list[NDArray[np.float64]], candidate: list[NDArray[np.float64]], quantile: float, *, samples: int, seed: int
) -> Comparison | None:
    """Relative growth of a quantile of all answers, prompts resampled in pairs.

    `champion` and `candidate` are the quantiles; `delta` is candidate / champion - 1, and
    so are the interval and the standard error.

    Args:
        champion: for each prompt, [n_answers] values; non-finite ones are left out.
        candidate: the same prompts in the same order.
        quantile: 0-1, as in 0.99.
        samples: resamples.
        seed: the same seed gives the same interval.

    Returns:
        None without at least two prompts answered by both, or when the champion's quantile is not above 0.
    """
    pairs = [(a[np.isfinite(a)], b[np.isfinite(b)]) for a, b in zip(champion, candidate, strict=True)]
    pairs = [(a, b) for a, b in pairs if len(a) and len(b)]
    if len(pairs) < 2:
        return None
    ours, theirs = [b for _, b in pairs], [a for a, _ in pairs]
    base, new = float(np.quantile(np.concatenate(theirs), quantile)), float(np.quantile(np.concatenate(ours), quantile))
    if base <= 0:
        return None
    rng = np.random.default_rng(seed)
    growth = np.empty(samples)
    for turn in range(samples):
        drawn = rng.integers(0, len(pairs), size=len(pairs))
        below = np.quantile(np.concatenate([theirs[i] for i in drawn]), quantile)
        growth[turn] = np.quantile(np.concatenate([ours[i] for i in drawn]), quantile) / below - 1 if below > 0 else np.nan
    growth = growth[np.isfinite(growth)]
    if len(growth) < 2:
        return None
    low, high = np.quantile(growth, (0.025, 0.975))
    return Comparison(base, new, new / base - 1, float(low), float(high), float(growth.std(ddof=1)), len(pairs))
