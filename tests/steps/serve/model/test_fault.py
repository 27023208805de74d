from __future__ import annotations

import pytest
import torch

from steps.contract.errors import ConfigError
from steps.serve.model.fault import NO_FAULT, Fault, noisy, parse_fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NO_FAULT),
        ("latency=800ms", Fault(latency_s=0.8, spec="latency=800ms")),
        ("latency=1.5s, errors=0.2", Fault(latency_s=1.5, error_ratio=0.2, spec="latency=1.5s, errors=0.2")),
        ("noise=2", Fault(noise=2.0, spec="noise=2")),
    ],
)
def test_faults_are_read(text: str, expected: Fault) -> None:
    assert parse_fault(text) == expected


@pytest.mark.parametrize("text", ["latency=800", "errors=20%", "errors=1.5", "latency=90s", "sleep=1s", "noise", "noise=-1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--fault"):
        parse_fault(text)


def test_errors_hit_their_share() -> None:
    assert not any(NO_FAULT.hits() for _ in range(100))
    assert all(Fault(error_ratio=1.0).hits() for _ in range(100))


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o_proj = torch.nn.Linear(64, 64)
        self.q_proj = torch.nn.Linear(64, 64)


def test_noise_spoils_the_attention_outputs_alone() -> None:
    block = Block()
    before = {name: weight.detach().clone() for name, weight in block.named_parameters()}
    NO_FAULT.spoil(block)
    Fault(noise=2.0).spoil(block)
    changed = {name for name, weight in block.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {"o_proj.weight"}
    added = block.o_proj.weight.detach() - before["o_proj.weight"]
    assert float(added.std()) == pytest.approx(2 * float(before["o_proj.weight"].std()), rel=0.1)


def test_noise_is_the_same_for_a_seed() -> None:
    weight = torch.arange(100.0).reshape(10, 10)
    one, two = (noisy(weight, torch.Generator().manual_seed(3), 1.0) for _ in range(2))
    assert torch.equal(one, two)
