from __future__ import annotations

import pytest
import torch

from steps.serve.model.sampling import sample_tokens, uniform_stream


def draw(logits: list[list[float]], temperature: float = 1.0, top_p: float = 1.0, uniform: list[float] | None = None) -> list[int]:
    rows = len(logits)
    column = torch.full((rows,), 1.0, dtype=torch.float64)
    numbers = torch.tensor(uniform or [0.5] * rows, dtype=torch.float64)
    return sample_tokens(torch.tensor(logits), column * temperature, column * top_p, numbers).tolist()


def test_frequencies_follow_the_softmax() -> None:
    count = 4000
    logits = torch.log(torch.tensor([[0.1, 0.2, 0.7]])).repeat(count, 1)
    uniform = torch.arange(count, dtype=torch.float64) / count
    ones = torch.ones(count, dtype=torch.float64)
    shares = torch.bincount(sample_tokens(logits, ones, ones, uniform), minlength=3) / count
    assert shares.tolist() == pytest.approx([0.1, 0.2, 0.7], abs=0.001)


def test_zero_temperature_takes_the_likeliest() -> None:
    assert draw([[0.0, 3.0, 2.9]], temperature=0.0, uniform=[0.999]) == [1]


def test_temperature_sharpens_and_flattens() -> None:
    assert draw([[1.0, 0.0]], temperature=0.1, uniform=[0.9999]) == [0]
    assert draw([[1.0, 0.0]], temperature=2.0, uniform=[0.7]) == [1]


def test_the_nucleus_leaves_out_the_tail_and_never_the_likeliest() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).tolist()
    assert draw(logits, top_p=0.6, uniform=[0.999]) == [1]
    assert draw(logits, top_p=0.01, uniform=[0.999]) == [0]


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2**-53])
def test_a_token_of_probability_zero_is_never_drawn(uniform: float) -> None:
    minus = float("-inf")
    assert draw([[minus, 0.0, minus]], uniform=[uniform]) == [1]


def test_logits_that_are_not_numbers_are_reported() -> None:
    assert draw([[float("nan"), 0.0], [0.0, 9.0]]) == [-1, 1]


def test_streams_depend_on_seed_and_choice_only() -> None:
    assert uniform_stream(5, 0).random() == uniform_stream(5, 0).random()
    assert uniform_stream(5, 0).random() != uniform_stream(5, 1).random()
    assert uniform_stream(None, 0).random() != uniform_stream(None, 0).random()
