"""Faults on purpose, for game days and for tests of the rollback: a model server that is slow, that fails, or that answers wrongly.

Off unless asked for, told in the log at the start and in every `GET /health`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps.contract.errors import ConfigError

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.nn import Module

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_LIMITS = {"latency": 60.0, "errors": 1.0, "noise": 100.0}


@dataclass(frozen=True, slots=True)
class Fault:
    """Fault that a model server shows on purpose.

    Attributes:
        latency_s: seconds that every answer is late.
        error_ratio: share of requests answered 500, 0-1.
        noise: Gaussian noise in the attention outputs, in standard deviations of each matrix:
            a botched conversion, which answers in time, without errors, and wrongly.
        spec: as it was asked for; "" when nothing is wrong.
    """

    latency_s: float = 0.0
    error_ratio: float = 0.0
    noise: float = 0.0
    spec: str = ""

    def hits(self) -> bool:
        """Whether this request is one of those that fail."""
        return self.error_ratio > 0 and random.random() < self.error_ratio

    def spoil(self, model: Module, seed: int = 0) -> None:
        """Add the noise to the weights of a loaded model."""
        if not self.noise:
            return
        import torch

        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in sorted(model.named_parameters()):
                if name.endswith("o_proj.weight"):
                    weight.copy_(noisy(weight.cpu(), generator, self.noise))


NO_FAULT = Fault()


def noisy(tensor: Tensor, generator: Generator, factor: float) -> Tensor:
    """A copy with Gaussian noise of `factor` times the tensor's own standard deviation."""
    import torch

    exact = tensor.float()
    noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float32)
    return (exact + noise * exact.std() * factor).to(tensor.dtype)


def parse_fault(text: str) -> Fault:
    """Read `latency=800ms`, `errors=0.2`, `noise=2`, or several with commas; empty: no fault.

    Raises:
        ConfigError: it is something else.
    """
    values = dict.fromkeys(_LIMITS, 0.0)
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = part.partition("=")
        match = _DURATION.fullmatch(value) if name == "latency" else re.fullmatch(r"\d+(?:\.\d+)?", value)
        if name not in _LIMITS or match is None:
            raise ConfigError(f"--fault {part!r}: write latency=800ms, errors=0.2 or noise=2, several with commas")
        amount = float(match[1]) / (1000 if match[2] == "ms" else 1) if name == "latency" else float(value)
        if amount > _LIMITS[name]:
            raise ConfigError(f"--fault {part!r}: at most {_LIMITS[name]:g}{' s' if name == 'latency' else ''}")
        values[name] = amount
    return Fault(values["latency"], values["errors"], values["noise"], text.strip())
