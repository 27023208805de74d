"""Step `estimate`: what the training will cost, before a person approves it and before a GPU starts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.contract.refs import Frozen
from steps.contract.spec import StepContext
from steps.operate.cost.budget import check_budget
from steps.operate.cost.estimates import estimate_train
from steps.store.lake import open_lake


class Params(Frozen):
    """What would be trained."""

    pairs: int = Field(ge=0, description="preference pairs of the dataset")
    method: Literal["dpo", "grpo"] = Field(default="dpo", description="dpo or grpo")
    trainer: Literal["trl", "nemo-rl"] = Field(default="trl", description="trl (one pod) or nemo-rl (many nodes)")
    max_cost_usd: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="refuse above this; 0: no limit")


class Result(Frozen):
    """Expected use."""

    phase: Literal["Successful", "Failed"] = Field(
        description="`Failed` when the estimate is above the run's limit, or the month's ceiling could be exceeded"
    )
    reason: str = Field(description="one line for the approver")
    gpu_hours: float = Field(description="GPUs times hours")
    cpu_core_hours: float = Field(description="cores times hours; 0 when GPUs are paid")
    usd: float = Field(description="US dollars")
    month_usd: float = Field(description="spent and reserved in this UTC month, without this training")
    month_gpu_hours: float = Field(description="likewise")
    config_hash: str = Field(description="digest of every configuration value that shapes a result")


def run(params: Params, ctx: StepContext) -> Result:
    """Estimate one training from the configured prices, and reserve that much of the month's ceiling.

    The reservation stands until the run is metered at its end. It is written before the month is
    read: of two runs that together exceed the ceiling at least one sees the other.

    Raises:
        ConfigError: the training has GPUs and `cost.train_step_s` does not say how long a step takes.
        TransientError, AccessError: the lake cannot be read or written; without knowing the month nothing starts.
    """
    cost = estimate_train(ctx.config, params.pairs, params.method, params.trainer)
    with open_lake(ctx.config, ctx.workdir) as lake:
        spent, refused = check_budget(lake, ctx, usd=cost.usd, gpu_hours=cost.gpu_hours, max_cost_usd=params.max_cost_usd)
    price = f"${cost.usd:.4f} ({'; '.join(cost.assumptions)})"
    return Result(
        phase="Failed" if refused else "Successful",
        reason=f"the estimate {price} is refused: {refused}" if refused else price,
        gpu_hours=round(cost.gpu_hours, 6),
        cpu_core_hours=round(cost.cpu_core_hours, 6),
        usd=round(cost.usd, 6),
        month_usd=round(spent.usd + spent.reserved_usd, 6),
        month_gpu_hours=round(spent.gpu_hours + spent.reserved_gpu_hours, 6),
        config_hash=ctx.config.digest(),
    )
