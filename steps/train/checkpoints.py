"""Checkpoints that can be trusted after a kill, and progress of a trainer."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.files import read_json, write_json
from steps.contract.spec import Task

if TYPE_CHECKING:
    from transformers import TrainerCallback

_MARK = "complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_SHOWN = {"loss": "loss", "margin": "rewards/margins", "reward": "reward"}
_CURVES = (
    *("loss", "grad_norm", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"),
    *("reward", "reward_std", "entropy", "kl", "completions/mean_length", "completions/clipped_ratio"),
)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file below `folder`, by relative name, without the mark itself."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != _MARK)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def mark_complete(checkpoint: Path) -> None:
    """Record what a finished checkpoint holds; it counts only with this record."""
    write_json(checkpoint / _MARK, _sizes(checkpoint))


def is_complete(checkpoint: Path) -> bool:
    """Whether every file that was recorded is there in its full size.

    A kill while a checkpoint is written leaves no record, a kill while an old one is
    deleted leaves a record without its files.
    """
    try:
        return bool(read_json(checkpoint / _MARK) == _sizes(checkpoint))
    except (OSError, ValueError):
        return False


def newest_complete(folder: Path) -> Path | None:
    """The newest complete checkpoint below `folder`; incomplete ones are removed."""
    complete: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        match = _NAME.fullmatch(path.name)
        if match and is_complete(path):
            complete.append((int(match[1]), path))
        else:
            shutil.rmtree(path, ignore_errors=True)
    return max(complete)[1] if complete else None


def curves_of(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Step, loss and reward figures of every logged step, as plain numbers."""
    curves = []
    for entry in history:
        values = {name: float(entry[name]) for name in _CURVES if entry.get(name) is not None}
        if values and "train_runtime" not in entry:
            curves.append({"step": float(entry["step"]), **values})
    return curves


def watch(task: Task, resumed_step: int) -> TrainerCallback:
    """A callback that moves the progress line and marks checkpoints complete."""
    from transformers import TrainerCallback

    class _Watch(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            task.advance(resumed_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            task.advance(1)
            # The candidate itself is written next, and a trainer resumed at its last step takes one more.
            control.should_save = control.should_save and state.global_step < state.max_steps

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **rest: Any) -> None:
            logs = logs or {}
            shown = [f"{label} {float(logs[name]):.3f}" for label, name in _SHOWN.items() if logs.get(name) is not None]
            if shown:
                task.note(", ".join(shown))

        def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return _Watch()
