"""What DPO and GRPO share: loading, arguments, running, keeping the result."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.config import TrainConfig
from steps.contract.spec import Progress
from steps.train.checkpoints import curves_of, newest_complete, watch
from steps.train.threads import one_thread

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

# Below this many parameters a second CPU thread costs more than it brings.
SMALL_PARAMETERS = 20_000_000


@dataclass(frozen=True)
class Outcome:
    """A finished training.

    Attributes:
        steps: optimizer steps in all, also those before a resume.
        curves: one entry per logged optimizer step.
    """

    steps: int
    curves: list[dict[str, float]]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' own bars and remarks: a step reports through its context, and errors still raise."""
    import datasets
    import transformers

    hugging: Any = transformers.utils.logging
    bars, verbosity = hugging.is_progress_bar_enabled(), hugging.get_verbosity()
    data_bars, tqdm = datasets.is_progress_bar_enabled(), os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    datasets.disable_progress_bars()
    hugging.disable_progress_bar()
    hugging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            # The old name is the one that all supported versions know.
            warnings.filterwarnings("ignore", message="`(is_)?gradient_checkpointing`", category=FutureWarning)
            yield
    finally:
        hugging.set_verbosity(verbosity)
        if bars:
            hugging.enable_progress_bar()
        if data_bars:
            datasets.enable_progress_bars()
        if tqdm is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = tqdm


def load_tokenizer(base: Path) -> PreTrainedTokenizerBase:
    """The base model's tokenizer; prompts are padded left."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(base: Path) -> PreTrainedModel:
    """The base model; float32 on a CPU, where half precision is emulated and slow."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base, dtype="auto" if torch.cuda.is_available() else torch.float32)


def shared_arguments(config: TrainConfig, checkpoints: Path) -> dict[str, Any]:
    """Trainer arguments that both methods use; several of TRL's defaults are wrong for a CPU."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(checkpoints),
        "seed": config.seed,
        "use_cpu": not cuda,
        "bf16": cuda,
        "gradient_checkpointing": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": cuda,
        "dataloader_num_workers": 0,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": config.save_steps,
        # The last but one stays whole while the newest is written.
        "save_total_limit": 2,
    }


def run_trainer(trainer: Trainer, checkpoints: Path, steps: int, label: str, progress: Progress) -> Outcome:
    """Train from the newest complete checkpoint, or from the start."""
    from transformers.trainer_callback import PrinterCallback

    newest = newest_complete(checkpoints)
    done = int(newest.name.rpartition("-")[2]) if newest else 0
    trainer.remove_callback(PrinterCallback)
    with progress.task(label, total=steps, unit="steps") as task:
        trainer.add_callback(watch(task, done))
        trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    return Outcome(int(trainer.state.global_step), curves_of(trainer.state.log_history))


@contextlib.contextmanager
def threads_for(model: PreTrainedModel) -> Iterator[None]:
    """One CPU thread for a small model, else as many as torch chooses."""
    with one_thread() if model.num_parameters() < SMALL_PARAMETERS else contextlib.nullcontext():
        yield
