"""Group relative policy optimisation with TRL; the reward is the label that production traces get.

Source: Shao et al. 2024, arXiv 2402.03300.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.config import TrainConfig
from steps.contract.spec import Progress
from steps.train.dataset import TrainRows, as_dataset
from steps.train.trainers import Outcome, run_trainer, shared_arguments, threads_for

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Reward = Callable[[list[str], list[list[str]], list[str]], list[float]]
"""(questions, contexts, answers) -> scores 0-1, one for each answer."""


def train_grpo(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainRows,
    config: TrainConfig,
    checkpoints: Path,
    progress: Progress,
    reward: Reward,
) -> Outcome:
    """Train `model` in place: sample groups of answers, score them, raise the better ones.

    Args:
        model: loaded from a folder.
        tokenizer: its chat template renders the prompts.
        data: rows with prompt (messages), question and contexts.
        config: the method's settings, seed and length limit.
        checkpoints: folder of this training's checkpoints; the newest complete one is resumed.
        progress: one unit per optimizer step.
        reward: scores a batch of answers.
    """
    from trl import GRPOConfig, GRPOTrainer  # type: ignore[attr-defined]

    def supported(
        completions: list[list[dict[str, str]]], question: list[str], contexts: list[list[str]], **rest: Any
    ) -> list[float | None]:
        return [*reward(question, contexts, [completion[0]["content"] for completion in completions])]

    grpo = config.grpo
    arguments = GRPOConfig(
        **shared_arguments(config, checkpoints),
        per_device_train_batch_size=grpo.prompts_per_step * grpo.num_generations,
        num_generations=grpo.num_generations,
        # One optimizer step per generation: a checkpoint then needs no buffered rollouts.
        steps_per_generation=1,
        max_completion_length=grpo.max_answer_tokens,
        temperature=1.0,
        learning_rate=grpo.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=3,
        beta=grpo.beta,
        loss_type="dapo",
        max_steps=grpo.max_steps,
    )
    with threads_for(model):
        trainer = GRPOTrainer(
            model=model, reward_funcs=supported, args=arguments, train_dataset=as_dataset(data.rows), processing_class=tokenizer
        )
        return run_trainer(trainer, checkpoints, grpo.max_steps, "training with GRPO", progress)
