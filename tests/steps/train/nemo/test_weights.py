"""Whether a folder holds a whole model."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from steps.contract.errors import DataError
from steps.train.nemo.weights import check_whole, shapes_of


def test_a_model_in_several_files(nemo, tmp_path):
    tensors = load_file(nemo.base / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, tmp_path / file)
    shutil.copy(nemo.base / "config.json", tmp_path)
    index = {"metadata": {}, "weight_map": {name: file for file, held in parts.items() for name in held}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert shapes_of(tmp_path) == shapes_of(nemo.base)
    check_whole(tmp_path, nemo.base)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(DataError, match="model-00002-of-00002"):
        check_whole(tmp_path, nemo.base)
    save_file({names[0]: tensors[names[0]]}, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(DataError, match="of the index is not in it"):
        check_whole(tmp_path, nemo.base)


def test_what_is_cut_off_or_of_another_model_is_refused(nemo, tmp_path):
    shutil.copytree(nemo.base, tmp_path / "model")
    model = tmp_path / "model" / "model.safetensors"
    whole = model.read_bytes()
    for broken in (whole[:-1], whole[:4], b"\xff" * 16):
        model.write_bytes(broken)
        with pytest.raises(DataError, match="no whole safetensors file"):
            check_whole(tmp_path / "model", nemo.base)
    tensors = load_file(nemo.base / "model.safetensors")
    name = next(name for name in sorted(tensors) if name.endswith("o_proj.weight"))
    save_file({**tensors, name: tensors[name][:1].clone()}, model)
    with pytest.raises(DataError, match=f"tensor {name} has shape"):
        check_whole(tmp_path / "model", nemo.base)
    save_file({key: value for key, value in tensors.items() if key != name}, model)
    with pytest.raises(DataError, match=f"tensor {name} of the base model is missing"):
        check_whole(tmp_path / "model", nemo.base)
    (tmp_path / "model" / "config.json").unlink()
    with pytest.raises(DataError, match=r"config\.json is missing"):
        check_whole(tmp_path / "model", nemo.base)
