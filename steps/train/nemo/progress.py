"""How far a NeMo-RL training is, by its checkpoints. The standard library only: NeMo-RL's own Python reads it too.

NeMo-RL writes `tmp_step_N`, and renames it to `step_N` when it is whole.
Source: NeMo-RL v0.7.0, nemo_rl/utils/checkpoint.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STEP = re.compile(r"step_(\d+)")
STARTED = "started.json"


@dataclass(frozen=True)
class Checkpoint:
    """One finished checkpoint.

    Attributes:
        step: optimizer steps that it has seen.
        folder: `step_N`.
        info: NeMo-RL's training_info.json.
    """

    step: int
    folder: Path
    info: dict[str, Any]

    def metric(self, name: str) -> float | None:
        """A metric of its validation; None when there was none."""
        value = self.info.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def checkpoints(folder: Path) -> list[Checkpoint]:
    """Every finished checkpoint with a readable record, oldest first."""
    all_checkpoints = []
    for path in folder.glob("step_*"):
        match = _STEP.fullmatch(path.name)
        if match is None:
            continue
        try:
            info = json.loads((path / "training_info.json").read_text(encoding="utf-8"))
            total = int(info.get("total_steps", match[1]))
        except (OSError, ValueError, TypeError, AttributeError):
            continue
        # A record that contradicts its folder is of another training, or broken.
        if total == int(match[1]):
            all_checkpoints.append(Checkpoint(total, path, info))
    return sorted(all_checkpoints, key=lambda item: item.step)


def steps_reached(folder: Path) -> int:
    """Optimizer steps of the newest checkpoint; 0 without one."""
    return max((item.step for item in checkpoints(folder)), default=0)
