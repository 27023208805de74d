"""Sampling of one token a row: temperature, nucleus, and a seed that does not depend on the batch."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

GREEDY_BELOW = 1e-5
NOT_A_NUMBER = -1


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters of one answer.

    Attributes:
        max_tokens: longest answer in tokens.
        temperature: 0 takes the likeliest token, 1 samples as trained.
        top_p: in (0, 1]; only the likeliest tokens that make up this probability are drawn from.
        seed: the same seed gives the same answer; None: fresh randomness.
        stop: texts that end the answer and are not part of it.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


def uniform_stream(seed: int | None, choice: int) -> random.Random:
    """The source of one number in [0, 1) a token, for choice number `choice` of a request.

    One uniform number a token is all that inverse-CDF sampling needs, so what a row draws
    depends on its seed and its own logits and on nothing else in the batch.
    """
    return random.Random(secrets.randbits(128) if seed is None else f"{seed}/{choice}")


def _nucleus(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Zero every token outside the nucleus of its row; the likeliest one always stays.

    Source:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, arXiv 1904.09751.
    """
    ordered, order = probabilities.sort(dim=-1, descending=True)
    before = ordered.cumsum(dim=-1) - ordered
    kept = ordered.masked_fill(before >= top_p[:, None], 0.0)
    return probabilities.new_zeros(probabilities.shape).scatter(-1, order, kept)


def sample_tokens(logits: Tensor, temperature: Tensor, top_p: Tensor, uniform: Tensor) -> Tensor:
    """Draw one token for each row by inverting its cumulative distribution.

    Args:
        logits: (rows, vocabulary), any float type.
        temperature: (rows,) float64; below 1e-5 means greedy.
        top_p: (rows,) float64 in (0, 1].
        uniform: (rows,) float64 in [0, 1).

    Returns:
        (rows,) int64 token ids; -1 where the logits are not numbers.
    """
    import torch

    greedy = temperature < GREEDY_BELOW
    likeliest = logits.argmax(dim=-1)
    scale = torch.where(greedy, torch.ones_like(temperature), temperature)
    probabilities = torch.softmax(logits.float() / scale[:, None].float(), dim=-1).double()
    if bool((top_p < 1).any()):
        probabilities = _nucleus(probabilities, top_p)
    cumulative = probabilities.cumsum(dim=-1)
    total = cumulative[:, -1]
    # Strictly below the total, or a token of probability 0 could be found at the end.
    point = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    drawn = torch.searchsorted(cumulative, point[:, None], right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    tokens = torch.where(greedy, likeliest, drawn)
    return torch.where(total.isfinite(), tokens, torch.full_like(tokens, NOT_A_NUMBER))
