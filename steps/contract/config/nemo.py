"""The block `train.nemo`: sizes of a NeMo-RL training, and the arithmetic that its GPUs demand.

NeMo-RL accepts any key and any number, and fails hours later or trains nothing: everything is checked here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steps.contract.refs import Frozen


class NemoDpoConfig(Frozen):
    """Preference pairs on many nodes.

    Attributes:
        beta: weight of the divergence from the base model (NeMo-RL: reference_policy_kl_penalty).
        sft_weight: weight of the supervised term on the better answers, averaged over their tokens.
        batch_pairs: pairs in one optimizer step, over all GPUs.
        micro_batch_pairs: pairs that one GPU holds at once.
    """

    learning_rate: float = Field(default=5e-7, gt=0, le=1e-2)
    beta: float = Field(default=0.1, gt=0, le=10)
    sft_weight: float = Field(default=0.1, ge=0, le=10)
    epochs: int = Field(default=1, ge=1, le=100)
    batch_pairs: int = Field(default=96, ge=1, le=65536)
    micro_batch_pairs: int = Field(default=1, ge=1, le=256)


class NemoGrpoConfig(Frozen):
    """Judged samples on many nodes.

    Attributes:
        beta: weight of the divergence from the base model (NeMo-RL: reference_policy_kl_penalty).
        num_generations: answers to each prompt.
        prompts_per_step: prompts of one step.
        batch_samples: answers in one optimizer step; a divisor of prompts_per_step x num_generations.
        micro_batch_samples: answers that one GPU holds at once.
        max_steps: steps of the whole training.
        max_answer_tokens: sampled answers are cut here.
        generation_nodes: nodes that only generate; 0: all GPUs take turns at both.
        generation_tensor_parallel: GPUs of one generation engine.
    """

    learning_rate: float = Field(default=1e-6, gt=0, le=1e-2)
    beta: float = Field(default=0.01, ge=0, le=10)
    num_generations: int = Field(default=16, ge=2, le=256)
    prompts_per_step: int = Field(default=32, ge=1, le=4096)
    batch_samples: int = Field(default=512, ge=1, le=1 << 20)
    micro_batch_samples: int = Field(default=1, ge=1, le=256)
    max_steps: int = Field(default=100, ge=1, le=100_000)
    max_answer_tokens: int = Field(default=1024, ge=1, le=65536)
    generation_nodes: int = Field(default=1, ge=0, le=63)
    generation_tensor_parallel: int = Field(default=1, ge=1, le=16)


class NemoConfig(Frozen):
    """One RayJob: `nodes` x `gpus_per_node` GPUs.

    Attributes:
        enabled: this environment offers `trainer=nemo-rl`.
        tensor_parallel: GPUs that share one layer; more than 1 costs accuracy with dense Qwen3
            (NeMo-RL, docs/guides/dtensor-tp-accuracy.md).
        context_parallel: GPUs that share one sequence.
        activation_checkpointing: recompute activations: less memory, about a third more time.
        max_length_tokens: prompt and answer together; longer rows are left out.
        enable_thinking: let a reasoning model think before it answers, as it would when serving.
        warmup_steps: steps over which the learning rate rises.
        save_steps: steps between checkpoints and validations. NeMo-RL does not notice a Spot interruption:
            what came after the last checkpoint is lost.
        keep_checkpoints: the best so many are kept, and the newest.
        pick: which checkpoint becomes the candidate.
        validation_ratio: share of the prompts that is held out.
        max_validation_rows: at most so many rows are held out.
        reward_concurrency: answers that wait for the judge at once.
        reward_timeout_s: an answer that the judge does not score by then gets a score that teaches nothing.
        max_unscored_ratio: the training ends when more of the last 200 answers had no score.
    """

    enabled: bool = False
    nodes: int = Field(default=3, ge=1, le=64)
    gpus_per_node: int = Field(default=8, ge=1, le=16)
    tensor_parallel: int = Field(default=1, ge=1, le=16)
    context_parallel: int = Field(default=1, ge=1, le=16)
    activation_checkpointing: bool = True
    max_length_tokens: int = Field(default=4096, ge=16, le=1 << 20)
    enable_thinking: bool = False
    warmup_steps: int = Field(default=10, ge=1, le=10_000)
    max_grad_norm: float = Field(default=1.0, gt=0, le=1000)
    save_steps: int = Field(default=10, ge=1, le=10_000)
    keep_checkpoints: int = Field(default=1, ge=1, le=20)
    pick: Literal["last", "best"] = "last"
    validation_ratio: float = Field(default=0.05, gt=0, le=0.5)
    max_validation_rows: int = Field(default=256, ge=1, le=4096)
    reward_concurrency: int = Field(default=64, ge=1, le=1024)
    reward_timeout_s: float = Field(default=300.0, gt=0, le=3600)
    max_unscored_ratio: float = Field(default=0.2, ge=0, lt=1)
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
