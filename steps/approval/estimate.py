"""Step `estimate`: what the training will cost, before a person approves it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.core.refs import Frozen
from steps.core.spec import StepContext


class Params(Frozen):
    """What would be trained.

    Attributes:
        pairs: preference pairs of the dataset.
        method: dpo or grpo.
        max_cost_usd: refuse above this; 0: no limit.
    """

    pairs: int = Field(ge=0)
    method: Literal["dpo", "grpo"] = "dpo"
    max_cost_usd: float = Field(default=0.0, ge=0)


class Result(Frozen):
    """Expected use.

    Attributes:
        phase: `Failed` when the estimate is above the limit.
        reason: one line for the approver.
        gpu_hours: GPUs times hours.
        cpu_core_hours: cores times hours; 0 when GPUs are paid.
        usd: US dollars.
        config_hash: digest of every configuration value that shapes a result.
    """

    phase: Literal["Successful", "Failed"]
    reason: str
    gpu_hours: float
    cpu_core_hours: float
    usd: float
    config_hash: str


def run(params: Params, ctx: StepContext) -> Result:
    """Estimate one training from the configured prices."""
    from steps.kpi.cost import estimate_train

    cost = estimate_train(ctx.config, params.pairs, params.method)
    over = 0 < params.max_cost_usd < cost.usd
    said = f"${cost.usd:.4f} ({'; '.join(cost.assumptions)})"
    return Result(
        phase="Failed" if over else "Successful",
        reason=f"the estimate {said} is above the limit of ${params.max_cost_usd:.2f}" if over else said,
        gpu_hours=round(cost.gpu_hours, 6),
        cpu_core_hours=round(cost.cpu_core_hours, 6),
        usd=round(cost.usd, 6),
        config_hash=ctx.config.digest(),
    )
