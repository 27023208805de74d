"""What training will cost and what a pod has cost, in US dollars. Pure."""

from __future__ import annotations

import math
from typing import Literal

from steps.contract.config import CostConfig, PipelineConfig
from steps.contract.config import nemo as settings
from steps.contract.config.prices import HOUR_S
from steps.contract.errors import ConfigError
from steps.contract.refs import Frozen

# CPU seconds of one optimizer step of the embedded model (0.4 M parameters, one thread of a
# 2023 server CPU), measured: DPO at batch 16; GRPO at 8 prompts x 8 answers, generation included.
EMBEDDED_STEP_S = {"dpo": 0.30, "grpo": 0.65}
# Importing torch and TRL and loading the model, once a training.
STARTUP_S = 12.0
# Step -> the kind of GPU machine it runs on; any other step with a GPU counts as training, the dearest.
GPU_WORK: dict[str, Literal["train", "gate", "judge", "serve"]] = {"train": "train", "gate": "gate"}


class CostEstimate(Frozen):
    """Expected use of one training. `assumptions`: what it rests on, one sentence each."""

    optimizer_steps: int
    cpu_core_hours: float
    gpu_hours: float
    usd: float
    assumptions: tuple[str, ...]


Method = Literal["dpo", "grpo"]
Trainer = Literal["trl", "nemo-rl"]


def optimizer_steps(config: PipelineConfig, pairs: int, method: Method, trainer: Trainer = "trl") -> int:
    """Optimizer steps of one training on so many pairs (GRPO: the configured number)."""
    if trainer == "nemo-rl":
        return settings.optimizer_steps(config.train.nemo, method, pairs)
    if method == "grpo":
        return config.train.grpo.max_steps
    dpo = config.train.dpo
    return dpo.epochs * math.ceil(pairs / dpo.batch_size)


def train_gpus(config: PipelineConfig, trainer: Trainer) -> int:
    """GPUs of one training, over all its machines."""
    nemo = config.train.nemo
    return nemo.nodes * nemo.gpus_per_node if trainer == "nemo-rl" else config.cost.train_gpus


def step_seconds(config: PipelineConfig, method: Method, trainer: Trainer) -> tuple[float, str]:
    """Expected seconds of one optimizer step, and where the number comes from.

    Raises:
        ConfigError: the training has GPUs and nobody has said how long a step takes there.
    """
    seconds = config.cost.train_step_s.get(trainer, {}).get(method)
    if seconds is not None:
        return seconds, "cost.train_step_s"
    if gpus := train_gpus(config, trainer):
        raise ConfigError(f"cost.train_step_s.{trainer}.{method}: say the seconds of one optimizer step on {gpus} GPUs: no guess is safe")
    return EMBEDDED_STEP_S[method], "measured on the embedded model; set cost.train_step_s for yours"


def estimate_train(config: PipelineConfig, pairs: int, method: Method, trainer: Trainer = "trl") -> CostEstimate:
    """Estimate a training before it is approved.

    With GPUs, whole machines are paid for the whole time and their price includes the
    machines' cores. Without, one core is paid.

    Raises:
        ConfigError: the training has GPUs and nobody has said how long a step takes there.
    """
    cost, gpus = config.cost, train_gpus(config, trainer)
    steps = optimizer_steps(config, pairs, method, trainer)
    step_s, source = step_seconds(config, method, trainer)
    hours = (STARTUP_S + steps * step_s) / HOUR_S
    return CostEstimate(
        optimizer_steps=steps,
        cpu_core_hours=0.0 if gpus else hours,
        gpu_hours=hours * gpus,
        usd=hours * pod_hour_usd(cost, "train", cores=1, gib=0, gpus=gpus),
        assumptions=(
            f"{steps} optimizer steps of {step_s:g} s ({source})",
            f"{STARTUP_S:g} s to start",
            _paid(cost, gpus),
        ),
    )


def _paid(cost: CostConfig, gpus: int) -> str:
    if not gpus:
        return f"1 CPU core at {cost.cpu_core_hour_usd} USD an hour"
    machine = cost.machines["train"]
    instance = cost.instances[machine.instance]
    price = f"{instance.usd_an_hour(machine.capacity):g} USD an hour"
    if machine.capacity not in instance.hour_usd:
        price += f", the on-demand price, since none is set for {machine.capacity}"
    return f"{gpus} GPUs: {math.ceil(gpus / instance.gpus)} x {machine.instance} ({machine.capacity}) at {price}"


def pod_hour_usd(cost: CostConfig, step: str, *, cores: float, gib: float, gpus: float) -> float:
    """US dollars an hour of a pod that asks for so much.

    A pod with GPUs pays whole machines, cores and memory included: nobody else shares them, so
    that it is an upper bound where somebody does. Any other pays its cores and memory.
    """
    if not gpus:
        return cores * cost.cpu_core_hour_usd + gib * cost.memory_gib_hour_usd
    machine = cost.machines[GPU_WORK.get(step, "train")]
    instance = cost.instances[machine.instance]
    return math.ceil(gpus / max(1, instance.gpus)) * instance.usd_an_hour(machine.capacity)
