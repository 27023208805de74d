"""Whether a Hugging Face folder holds a whole model: its safetensors files are read to their last header, without torch.

Source: the safetensors format, https://huggingface.co/docs/safetensors (8 bytes of length, a JSON header, the data).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from steps.contract.errors import DataError

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
MAX_HEADER_BYTES = 100 << 20
# A model whose output layer is its embedding has no tensor of its own for it.
TIED = "lm_head.weight"

Shapes = dict[str, tuple[int, ...]]


def _header(path: Path) -> Shapes:
    """Names and shapes of one file's tensors.

    Raises:
        DataError: the file is missing, cut off or no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, MAX_HEADER_BYTES):
                raise ValueError("header longer than the file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if 8 + length + end != size:
            raise ValueError(f"{size} bytes instead of {8 + length + end}")
        return {name: tuple(entry["shape"]) for name, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise DataError(f"{path}: no whole safetensors file ({error}): save the checkpoint again") from error


def shapes_of(folder: Path) -> Shapes:
    """Names and shapes of all tensors of a model.

    Raises:
        DataError: there is no model, or a file or a tensor of its index is missing.
    """
    index = folder / INDEX
    if not index.is_file():
        return _header(folder / SINGLE)
    try:
        placed: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(placed.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{index}: no index of tensors ({type(error).__name__}): save the checkpoint again") from error
    held: dict[str, Shapes] = {name: _header(folder / name) for name in files}
    missing = sorted(name for name, file in placed.items() if name not in held[file])
    if missing:
        raise DataError(f"{folder / placed[missing[0]]}: tensor {missing[0]} of the index is not in it: save the checkpoint again")
    return {name: held[file][name] for name, file in placed.items()}


def check_whole(folder: Path, base: Path) -> None:
    """Refuse a model that lacks a tensor of its base, or holds one of another shape.

    Raises:
        DataError: it does, or there is no config.json.
    """
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder}: config.json is missing: set checkpointing.save_consolidated, or convert the checkpoint")
    wanted, shapes = shapes_of(base), shapes_of(folder)
    for name, shape in wanted.items():
        if name not in shapes and name != TIED:
            raise DataError(f"{folder}: tensor {name} of the base model is missing: the checkpoint is not whole")
        if name in shapes and shapes[name] != shape:
            raise DataError(f"{folder}: tensor {name} has shape {shapes[name]} instead of {shape}: it is not the base's model")
