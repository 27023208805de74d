"""From NeMo-RL's checkpoints, as v0.7.0 lays them out, to a candidate like any other."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from steps.contract.catalog import find_step
from steps.contract.errors import DataError
from steps.contract.refs import ArtifactRef
from steps.train.nemo.nemo_collect import Params, chosen_checkpoint, run
from steps.train.nemo.nemo_prepare import run as prepare
from steps.train.nemo.paths import TrainingPaths
from steps.train.nemo.progress import Checkpoint

METRIC = "val:validation-default_loss"


def checkpoint(folder, step, base, *, metric=None, change=0.0, **info):
    """`step_N` with the base's weights, each number raised by `change`."""
    model = folder / f"step_{step}" / "policy" / "weights" / "model"
    whole = model / "consolidated"
    whole.mkdir(parents=True)
    tensors = {name: tensor + change for name, tensor in load_file(base / "model.safetensors").items()}
    save_file(tensors, whole / "model.safetensors")
    shutil.copy(base / "config.json", whole)
    (model / "shard-00001-model-00001-of-00001.safetensors").write_bytes(b"one rank's part")
    tokenizer = folder / f"step_{step}" / "policy" / "tokenizer"
    tokenizer.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (base / name).is_file():
            shutil.copy(base / name, tokenizer)
    (folder / f"step_{step}" / "policy" / "optimizer").mkdir()
    record = {"total_steps": step, "epoch": 0, "consumed_samples": 4 * step} | ({METRIC: metric} if metric is not None else {}) | info
    (folder / f"step_{step}" / "training_info.json").write_text(json.dumps(record))
    return whole


@pytest.fixture
def trained(nemo, tmp_path):
    """A prepared DPO training; `finish(...)` writes its last checkpoint."""
    made = prepare(nemo.params(), nemo.ctx(tmp_path))
    where = TrainingPaths(tmp_path, made.key, nemo.params().dataset.sha256)
    params = Params(**nemo.params().model_dump(), key=made.key)
    return made, where, params, nemo.ctx(tmp_path)


def test_a_finished_training_becomes_a_candidate_that_loads(nemo, trained):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made, where, params, ctx = trained
    checkpoint(where.checkpoints, 2, nemo.base, metric=0.6)
    checkpoint(where.checkpoints, made.steps, nemo.base, metric=0.4, change=1.0)
    result = run(params, ctx)
    assert (result.steps, result.method, result.reused, result.skipped_too_long) == (made.steps, "dpo", False, 0)
    assert result.curves == [{"step": 2.0, "validation_loss": 0.6}, {"step": float(made.steps), "validation_loss": 0.4}]
    folder = result.model.local_path()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before = load_file(nemo.base / "model.safetensors")["model.norm.weight"]
    assert torch.equal(model.model.norm.weight, before + 1.0)
    assert AutoTokenizer.from_pretrained(folder).chat_template
    assert not where.folder.exists() and not where.data.exists(), "texts and optimizer states are gone"


def test_the_result_is_that_of_the_other_trainer():
    collect, train = find_step("nemo-collect").load()[1], find_step("train").load()[1]
    assert collect.model_fields.keys() == train.model_fields.keys()


def test_collecting_again_finds_the_candidate_and_asks_for_no_gpu(nemo, trained):
    made, where, params, ctx = trained
    checkpoint(where.checkpoints, made.steps, nemo.base)
    first = run(params, ctx)
    assert run(params, ctx) == first.model_copy(update={"reused": True})
    assert prepare(nemo.params(), ctx).needed == "no"


def test_a_good_exit_code_is_no_proof(nemo, trained):
    made, where, params, ctx = trained
    with pytest.raises(DataError, match=f"reached 0 of {made.steps} steps"):
        run(params, ctx)
    checkpoint(where.checkpoints, 2, nemo.base)
    checkpoint(where.checkpoints, made.steps, nemo.base).parents[3].rename(where.checkpoints / f"tmp_step_{made.steps}")
    with pytest.raises(DataError, match=f"reached 2 of {made.steps} steps"):
        run(params, ctx)
    assert where.checkpoints.is_dir() and where.data.is_dir(), "the next attempt goes on from here"


def test_what_is_not_whole_is_refused_and_kept(nemo, trained):
    made, where, params, ctx = trained
    whole = checkpoint(where.checkpoints, made.steps, nemo.base)
    data = (whole / "model.safetensors").read_bytes()
    (whole / "model.safetensors").write_bytes(data[:-8])
    with pytest.raises(DataError, match="no whole safetensors file"):
        run(params, ctx)
    tensors = load_file(nemo.base / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("mlp.up_proj.weight"))
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, whole / "model.safetensors")
    with pytest.raises(DataError, match=f"{lost} of the base model is missing"):
        run(params, ctx)
    save_file(tensors | {lost: tensors[lost][:-1].contiguous()}, whole / "model.safetensors")
    with pytest.raises(DataError, match=f"{lost} has shape"):
        run(params, ctx)
    (whole / "config.json").unlink()
    with pytest.raises(DataError, match="config.json is missing"):
        run(params, ctx)
    assert not any((ctx.artifacts / "models").glob("*")) and where.checkpoints.is_dir()


def test_a_key_of_other_inputs_is_refused(nemo, trained):
    made, where, params, ctx = trained
    checkpoint(where.checkpoints, made.steps, nemo.base)
    other = ArtifactRef(uri=params.dataset.uri, sha256="c" * 64)
    with pytest.raises(DataError, match="another dataset"):
        run(params.model_copy(update={"dataset": other}), ctx)
    with pytest.raises(DataError, match="run nemo-prepare first"):
        run(params.model_copy(update={"key": "0" * 16}), ctx)
    with pytest.raises(DataError, match="is not the approved"):
        run(params.model_copy(update={"approved_digest": "c" * 64}), ctx)


def test_a_changed_configuration_does_not_lose_a_finished_training(nemo, trained, tmp_path):
    made, where, params, _ = trained
    checkpoint(where.checkpoints, made.steps, nemo.base)
    assert run(params, nemo.ctx(tmp_path, save_steps=9)).steps == made.steps


def test_the_best_or_the_last(tmp_path):
    found = [
        Checkpoint(step, tmp_path, {"m": value} if value is not None else {}) for step, value in ((2, 0.5), (4, 0.3), (6, None), (8, 0.5))
    ]
    assert chosen_checkpoint(found, "last", "m", higher=True).step == 8
    assert chosen_checkpoint(found, "best", "m", higher=True).step == 8, "of equals the newest"
    assert chosen_checkpoint(found, "best", "m", higher=False).step == 4
    assert chosen_checkpoint(found[2:3], "best", "m", higher=True).step == 6
