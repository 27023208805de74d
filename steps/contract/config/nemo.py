"""The block `train.nemo`: sizes of a NeMo-RL training, and the arithmetic that its GPUs demand.

NeMo-RL accepts any key and any number, and fails hours later or trains nothing: everything is checked here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steps.contract.refs import Frozen


class NemoDpoConfig(Frozen):
    """Preference pairs on many nodes."""

    learning_rate: float = Field(default=5e-7, gt=0, le=1e-2, description="of the optimizer")
    beta: float = Field(
        default=0.1, gt=0, le=10, description="weight of the divergence from the base model (NeMo-RL: reference_policy_kl_penalty)"
    )
    sft_weight: float = Field(
        default=0.1, ge=0, le=10, description="weight of the supervised term on the better answers, averaged over their tokens"
    )
    epochs: int = Field(default=1, ge=1, le=100, description="passes over the pairs")
    batch_pairs: int = Field(default=96, ge=1, le=65536, description="pairs in one optimizer step, over all GPUs")
    micro_batch_pairs: int = Field(default=1, ge=1, le=256, description="pairs that one GPU holds at once")


class NemoGrpoConfig(Frozen):
    """Judged samples on many nodes."""

    learning_rate: float = Field(default=1e-6, gt=0, le=1e-2, description="of the optimizer")
    beta: float = Field(
        default=0.01, ge=0, le=10, description="weight of the divergence from the base model (NeMo-RL: reference_policy_kl_penalty)"
    )
    num_generations: int = Field(default=16, ge=2, le=256, description="answers to each prompt")
    prompts_per_step: int = Field(default=32, ge=1, le=4096, description="prompts of one step")
    batch_samples: int = Field(
        default=512, ge=1, le=1 << 20, description="answers in one optimizer step; a divisor of prompts_per_step x num_generations"
    )
    micro_batch_samples: int = Field(default=1, ge=1, le=256, description="answers that one GPU holds at once")
    max_steps: int = Field(default=100, ge=1, le=100_000, description="steps of the whole training")
    max_answer_tokens: int = Field(default=1024, ge=1, le=65536, description="sampled answers are cut here")
    generation_nodes: int = Field(default=1, ge=0, le=63, description="nodes that only generate; 0: all GPUs take turns at both")
    generation_tensor_parallel: int = Field(default=1, ge=1, le=16, description="GPUs of one generation engine")


class NemoConfig(Frozen):
    """One RayJob: `nodes` x `gpus_per_node` GPUs."""

    enabled: bool = Field(default=False, description="this environment offers `trainer=nemo-rl`")
    nodes: int = Field(default=3, ge=1, le=64, description="machines with GPUs")
    gpus_per_node: int = Field(default=8, ge=1, le=16, description="GPUs of each machine")
    tensor_parallel: int = Field(
        default=1,
        ge=1,
        le=16,
        description="GPUs that share one layer; more than 1 costs accuracy with dense Qwen3 (NeMo-RL, docs/guides/dtensor-tp-accuracy.md)",
    )
    context_parallel: int = Field(default=1, ge=1, le=16, description="GPUs that share one sequence")
    activation_checkpointing: bool = Field(default=True, description="recompute activations: less memory, about a third more time")
    max_length_tokens: int = Field(default=4096, ge=16, le=1 << 20, description="prompt and answer together; longer rows are left out")
    enable_thinking: bool = Field(default=False, description="let a reasoning model think before it answers, as it would when serving")
    warmup_steps: int = Field(default=10, ge=1, le=10_000, description="steps over which the learning rate rises")
    max_grad_norm: float = Field(default=1.0, gt=0, le=1000, description="gradients are clipped to this norm")
    save_steps: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description=(
            "steps between checkpoints and validations. NeMo-RL does not notice a Spot interruption: what came after "
            "the last checkpoint is lost"
        ),
    )
    keep_checkpoints: int = Field(default=1, ge=1, le=20, description="the best so many are kept, and the newest")
    pick: Literal["last", "best"] = Field(default="last", description="which checkpoint becomes the candidate")
    validation_ratio: float = Field(default=0.05, gt=0, le=0.5, description="share of the prompts that is held out")
    max_validation_rows: int = Field(default=256, ge=1, le=4096, description="at most so many rows are held out")
    reward_concurrency: int = Field(default=64, ge=1, le=1024, description="answers that wait for the judge at once")
    reward_timeout_s: float = Field(
        default=300.0, gt=0, le=3600, description="an answer that the judge does not score by then gets a score that teaches nothing"
    )
    max_unscored_ratio: float = Field(
        default=0.2, ge=0, lt=1, description="the training ends when more of the last 200 answers had no score"
    )
    dpo: NemoDpoConfig = NemoDpoConfig()
    grpo: NemoGrpoConfig = NemoGrpoConfig()

    @property
    def gpus(self) -> int:
        """All GPUs of the RayJob's workers."""
        return self.nodes * self.gpus_per_node

    def data_parallel(self, method: Literal["dpo", "grpo"]) -> int:
        """Copies of the model that train at once."""
        generating = self.grpo.generation_nodes if method == "grpo" else 0
        return (self.nodes - generating) * self.gpus_per_node // (self.tensor_parallel * self.context_parallel)

    @model_validator(mode="after")
    def _gpus_divide(self) -> NemoConfig:
        shared = self.tensor_parallel * self.context_parallel
        if self.gpus_per_node % self.tensor_parallel:
            raise ValueError(f"nemo.tensor_parallel {self.tensor_parallel} must divide gpus_per_node {self.gpus_per_node}")
        if self.grpo.generation_nodes >= self.nodes:
            raise ValueError(f"nemo.grpo.generation_nodes {self.grpo.generation_nodes} leaves none of {self.nodes} nodes to train")
        for method, nodes in (("dpo", self.nodes), ("grpo", self.nodes - self.grpo.generation_nodes)):
            if nodes * self.gpus_per_node % shared:
                raise ValueError(
                    f"nemo: {nodes * self.gpus_per_node} GPUs that train with {method} do not divide by tensor x context parallel {shared}"
                )
        return self

    @model_validator(mode="after")
    def _batches_divide(self) -> NemoConfig:
        pairs, one = self.dpo.batch_pairs, self.data_parallel("dpo") * self.dpo.micro_batch_pairs
        if pairs % one:
            raise ValueError(f"nemo.dpo.batch_pairs {pairs} must be a multiple of {one} (copies of the model x micro_batch_pairs)")
        grpo = self.grpo
        samples, one = grpo.prompts_per_step * grpo.num_generations, self.data_parallel("grpo") * grpo.micro_batch_samples
        if grpo.batch_samples % one:
            raise ValueError(
                f"nemo.grpo.batch_samples {grpo.batch_samples} must be a multiple of {one} (copies of the model x micro_batch_samples)"
            )
        if samples % grpo.batch_samples:
            raise ValueError(f"nemo.grpo.batch_samples {grpo.batch_samples} must divide prompts_per_step x num_generations = {samples}")
        if grpo.max_answer_tokens >= self.max_length_tokens:
            raise ValueError(
                f"nemo.grpo.max_answer_tokens {grpo.max_answer_tokens} leaves no room for a prompt in {self.max_length_tokens} tokens"
            )
        if self.gpus_per_node % grpo.generation_tensor_parallel:
            raise ValueError(
                f"nemo.grpo.generation_tensor_parallel {grpo.generation_tensor_parallel} must divide gpus_per_node {self.gpus_per_node}"
            )
        return self


def optimizer_steps(nemo: NemoConfig, method: Literal["dpo", "grpo"], rows: int) -> int:
    """Steps of a training on so many rows; 0 when they do not fill one batch, which NeMo-RL would call a success.

    NeMo-RL leaves an incomplete batch out, every epoch.
    Source: NeMo-RL v0.7.0, nemo_rl/algorithms/dpo.py and grpo.py (`drop_last=True`).
    """
    if method == "dpo":
        return nemo.dpo.epochs * (rows // nemo.dpo.batch_pairs)
    return nemo.grpo.max_steps if rows >= nemo.grpo.prompts_per_step else 0


def epochs_needed(nemo: NemoConfig, method: Literal["dpo", "grpo"], rows: int) -> int:
    """Passes over so many rows that the steps need."""
    if method == "dpo":
        return nemo.dpo.epochs
    return -(-nemo.grpo.max_steps // (rows // nemo.grpo.prompts_per_step))
