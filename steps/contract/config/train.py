"""The block `train` of the configuration: DPO and GRPO. A default lives once, on its field."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.contract.config.nemo import NemoConfig
from steps.contract.refs import Frozen


class DpoConfig(Frozen):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) with an SFT term."""

    learning_rate: float = Field(default=5e-4, gt=0, description="of the optimizer")
    beta: float = Field(default=1.0, gt=0, description="strength of the pull towards the base model")
    sft_weight: float = Field(default=6.0, ge=0, description="weight of the supervised term on the chosen answers")
    epochs: int = Field(default=10, ge=1, description="passes over the pairs")
    batch_size: int = Field(default=16, ge=1, description="pairs of one optimizer step")


class GrpoConfig(Frozen):
    """Group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300)."""

    learning_rate: float = Field(default=3e-4, gt=0, description="of the optimizer")
    beta: float = Field(default=0.0, ge=0, description="weight of the divergence from the base model")
    num_generations: int = Field(default=8, ge=2, description="sampled answers to each prompt")
    prompts_per_step: int = Field(default=8, ge=1, description="prompts of one step")
    max_steps: int = Field(default=45, ge=1, description="optimizer steps of the whole training")
    max_answer_tokens: int = Field(default=24, ge=1, description="sampled answers are cut here while training")


class TrainConfig(Frozen):
    """Training of the candidate."""

    method: Literal["dpo", "grpo"] = Field(default="dpo", description="dpo (preference pairs) or grpo (judged samples)")
    seed: int = Field(default=0, description="seed of every random choice of the training")
    dpo: DpoConfig = DpoConfig()
    grpo: GrpoConfig = GrpoConfig()
    max_length_tokens: int = Field(default=384, ge=16, description="longest row in tokens; longer ones are left out")
    save_steps: int = Field(default=10, ge=1, description="optimizer steps between checkpoints")
    nemo: NemoConfig = NemoConfig()
