"""Direct preference optimisation with TRL, plus a supervised term on the chosen answers.

Without the supervised term the policy of a small model drifts to openings that
nobody sampled: the margin grows while fluency halves.
Source: Rafailov et al. 2023, arXiv 2305.18290; the added term as in Pang et al. 2024, arXiv 2404.19733.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from steps.contract.config import TrainConfig
from steps.contract.spec import Progress
from steps.train.dataset import TrainRows, as_dataset
from steps.train.trainers import Outcome, run_trainer, shared_arguments, threads_for

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def train_dpo(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: TrainRows,
    config: TrainConfig,
    checkpoints: Path,
    progress: Progress,
) -> Outcome:
    """Train `model` in place on preference pairs.

    Args:
        model: loaded from a folder; the reference log-probabilities are taken from it before the first step.
        tokenizer: its chat template renders the rows.
        data: rows with prompt, chosen and rejected as message lists.
        config: the method's settings, seed and length limit.
        checkpoints: folder of this training's checkpoints; the newest complete one is resumed.
        progress: one unit per optimizer step.
    """
    from trl import DPOConfig, DPOTrainer  # type: ignore[attr-defined]

    dpo = config.dpo
    arguments = DPOConfig(
        **shared_arguments(config, checkpoints),
        per_device_train_batch_size=dpo.batch_size,
        num_train_epochs=dpo.epochs,
        learning_rate=dpo.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=3,
        beta=dpo.beta,
        loss_type=["sigmoid", "sft"] if dpo.sft_weight else ["sigmoid"],
        loss_weights=[1.0, dpo.sft_weight] if dpo.sft_weight else None,
        max_length=config.max_length_tokens,
        # The reference is asked once per pair instead of once per epoch, and needs no memory while training.
        precompute_ref_log_probs=True,
    )
    with threads_for(model):
        trainer = DPOTrainer(model=model, args=arguments, train_dataset=as_dataset(data.rows), processing_class=tokenizer)
        steps = math.ceil(len(data.rows) / dpo.batch_size) * dpo.epochs
        return run_trainer(trainer, checkpoints, steps, "training with DPO", progress)
