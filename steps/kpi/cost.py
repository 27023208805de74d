"""What training will cost and what a run has cost, in US dollars. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from steps.config import PipelineConfig
from steps.core.refs import Frozen

# CPU seconds of one optimizer step of the embedded model (0.4 M parameters, one thread of a
# 2023 server CPU), measured: DPO at batch 16; GRPO at 8 prompts x 8 answers, generation included.
EMBEDDED_STEP_S = {"dpo": 0.30, "grpo": 0.65}
# Importing torch and TRL and loading the model, once a training.
STARTUP_S = 12.0


class CostEstimate(Frozen):
    """Expected use of one training. `assumptions`: what it rests on, one sentence each."""

    optimizer_steps: int
    cpu_core_hours: float
    gpu_hours: float
    usd: float
    assumptions: tuple[str, ...]


def optimizer_steps(config: PipelineConfig, pairs: int, method: Literal["dpo", "grpo"]) -> int:
    """Optimizer steps of one training on so many pairs (GRPO: the configured number)."""
    if method == "grpo":
        return config.train.grpo.max_steps
    dpo = config.train.dpo
    return dpo.epochs * math.ceil(pairs / dpo.batch_size)


def estimate_train(config: PipelineConfig, pairs: int, method: Literal["dpo", "grpo"]) -> CostEstimate:
    """Estimate a training before it is approved.

    With GPUs, all of them are paid for the whole time and their price includes the
    machine's cores. Without, one core is paid.
    """
    steps = optimizer_steps(config, pairs, method)
    step_s = config.cost.train_step_s or EMBEDDED_STEP_S[method]
    hours = (STARTUP_S + steps * step_s) / 3600
    gpus = config.cost.train_gpus
    source = "cost.train_step_s" if config.cost.train_step_s else "measured on the embedded model; set cost.train_step_s for yours"
    unit, hour_usd = ("GPUs", config.cost.gpu_hour_usd) if gpus else ("CPU core", config.cost.cpu_core_hour_usd)
    return CostEstimate(
        optimizer_steps=steps,
        cpu_core_hours=0.0 if gpus else hours,
        gpu_hours=hours * gpus,
        usd=hours * (gpus or 1) * hour_usd,
        assumptions=(
            f"{steps} optimizer steps of {step_s:g} s ({source})",
            f"{STARTUP_S:g} s to start",
            f"{gpus or 1} {unit} at {hour_usd} USD an hour",
        ),
    )


def stage_costs(seconds: Mapping[str, float], config: PipelineConfig) -> dict[str, float]:
    """US dollars of each stage from the seconds it took: GPU price for `train` when it has GPUs, one core otherwise."""
    core_s, gpu_s = config.cost.cpu_core_hour_usd / 3600, config.cost.train_gpus * config.cost.gpu_hour_usd / 3600
    return {stage: taken * (gpu_s if stage == "train" and gpu_s else core_s) for stage, taken in seconds.items()}
