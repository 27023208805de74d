"""Paired statistics of two models that answered the same prompts.

Answers to one prompt resemble each other, so the prompt is the unit that is resampled
(cluster bootstrap) and n counts prompts, never answers.

Scores are bounded, and a candidate may fail completely on a few prompts that a small set
happens not to hold. An ordinary bootstrap of such a set sees no spread and is certain. The
interval of bounded scores therefore comes from a Bayesian bootstrap in which one more prompt
stands at the worst, and for the upper end at the best, possible difference (Gaffke's bound).
`bench/gate_power.py` measures how often a worse candidate passes under it.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 13;
Miller, Adding Error Bars to Evals (2024), arXiv 2411.00640, on paired and clustered evals;
Learned-Miller and Thomas, A New Confidence Interval for the Mean of a Bounded Random
Variable (2019), arXiv 1905.06208, on the bound of Gaffke (2005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

    def detectable(self, half: float) -> float:
        """The tolerance that equal models would be found to keep in 80 of 100 repetitions.

        Args:
            half: from the value to the end of its interval on the harmful side.
        """
        return half + Z_80_POWER * self.standard_error

    def power(self, half: float, tolerance: float) -> float:
        """How often equal models would be found to keep a tolerance with a set like this one, 0-1."""
        if self.standard_error <= 0:
            return float(half <= tolerance)
        return NormalDist().cdf((tolerance - half) / self.standard_error)

    def prompts_needed(self, half: float, tolerance: float) -> int:
        """About how many prompts would give that a power of 80 %; 0: no number would."""
        return math.ceil(self.n * (self.detectable(half) / tolerance) ** 2) if tolerance > 0 else 0


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


def compare(
    champion: NDArray[np.float64], candidate: NDArray[np.float64], *, samples: int, seed: int, widest: float | None = 1.0
) -> Comparison | None:
    """Candidate minus champion over prompts, paired, with a 95 % interval.

    Args:
        champion: [n_prompts] means by prompt, NaN where nothing was scored.
        candidate: the same prompts in the same order.
        samples: resamples.
        seed: the same seed gives the same interval.
        widest: the largest possible difference of one prompt, 1 for scores of 0-1; None: unbounded, as for lengths.

    Returns:
        None when fewer than two prompts were scored for both.
    """
    both = np.isfinite(champion) & np.isfinite(candidate)
    n = int(both.sum())
    if n < 2:
        return None
    differences = candidate[both] - champion[both]
    low, high = _interval(differences, samples, np.random.default_rng(seed), widest)
    return Comparison(
        champion=float(champion[both].mean()),
        candidate=float(candidate[both].mean()),
        delta=float(differences.mean()),
        low=low,
        high=high,
        standard_error=float(differences.std(ddof=1) / np.sqrt(n)),
        n=n,
    )


def _interval(values: NDArray[np.float64], samples: int, rng: np.random.Generator, widest: float | None) -> tuple[float, float]:
    """95 % interval of the mean, in blocks so that memory does not grow with n times samples.

    Each resample weighs the values by Dirichlet(1, …, 1), drawn as exponentials over their sum.
    """
    n = len(values)
    block = max(1, _BLOCK // n)
    lows, highs = [], []
    for start in range(0, samples, block):
        weights = rng.standard_exponential((min(block, samples - start), n))
        added = rng.standard_exponential(len(weights)) if widest is not None else np.zeros(len(weights))
        sums, total = weights @ values, weights.sum(axis=1) + added
        lows.append((sums - (widest or 0.0) * added) / total)
        highs.append((sums + (widest or 0.0) * added) / total)
    return float(np.quantile(np.concatenate(lows), 0.025)), float(np.quantile(np.concatenate(highs), 0.975))


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
