"""Paths of the files of one NeMo-RL training. The standard library only: NeMo-RL's own Python reads it too.

NeMo-RL names a task after the last two parts of a data file's path, up to the first dot:
they are `<key>/train.jsonl`, and no folder's name holds a dot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class TrainingPaths:
    """Paths of one training.

    Attributes:
        workdir: the pipeline's work folder, on a file system that all nodes share: NeMo-RL renames folders.
        key: 16 hex digits that name the training.
        digest: SHA-256 of the dataset; its rows lie beside its file, where erasure and clean-up find them.
    """

    workdir: Path
    key: str
    digest: str

    @property
    def folder(self) -> Path:
        """Configuration, target and checkpoints."""
        return self.workdir / "nemo" / self.key

    @property
    def config(self) -> Path:
        """NeMo-RL's configuration."""
        return self.folder / "config.yaml"

    @property
    def target(self) -> Path:
        """What the training must reach."""
        return self.folder / "target.json"

    @property
    def checkpoints(self) -> Path:
        """`step_N` folders; one parent for each training, since NeMo-RL goes on from whatever it finds."""
        return self.folder / "checkpoints"

    @property
    def data(self) -> Path:
        """Rows, with the texts of traces."""
        return self.workdir / "artifacts" / "datasets" / self.digest / self.key
