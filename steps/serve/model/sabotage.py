"""Copies of a model that are broken on purpose, to watch the canary abort."""

from __future__ import annotations

import shutil
from pathlib import Path

from steps.contract.files import full_disk_errors, whole_folder
from steps.serve.model.fault import noisy

NOISE = 2.0


def sabotaged_copy(model: Path, target: Path, seed: int) -> Path:
    """Copy a Hugging Face model folder with noise in its attention outputs.

    Every attention output matrix gets Gaussian noise of twice its own standard
    deviation, as after a botched conversion: the model still answers in time and
    without errors, but wrongly. That is the failure that only online quality sees.

    Returns:
        `target`; it is kept as it is when it exists.
    """
    if target.exists():
        return target
    import torch
    from safetensors.torch import load_file, save_file

    generator = torch.Generator().manual_seed(seed)
    with whole_folder(target) as scratch:
        for path in sorted(model.iterdir()):
            if path.suffix != ".safetensors":
                shutil.copy2(path, scratch / path.name)
                continue
            tensors = load_file(path)
            for name, tensor in tensors.items():
                if name.endswith("o_proj.weight"):
                    tensors[name] = noisy(tensor, generator, NOISE)
            with full_disk_errors(scratch, path.stat().st_size):
                save_file(tensors, scratch / path.name, metadata={"format": "pt"})
    return target
