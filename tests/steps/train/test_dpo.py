"""Training on preference pairs, on a model of a few thousand weights."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from steps.contract.spec import SILENT
from steps.train.dataset import fit_rows, read_rows
from steps.train.dpo import train_dpo
from steps.train.trainers import load_model, load_tokenizer, quiet


def test_the_model_learns_to_prefer_what_was_chosen(base, make, tmp_path):
    config = make.config(dpo={"batch_size": 4, "epochs": 8, "learning_rate": 1e-2}).train
    reference = make.write(tmp_path / "rows.jsonl", make.rows(8))
    tokenizer, model = load_tokenizer(base), load_model(base)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    data = fit_rows(read_rows(Path(reference.local_path()), "pair"), tokenizer, config.max_length_tokens, config.grpo.max_answer_tokens)
    with quiet():
        outcome = train_dpo(model, tokenizer, data, config, tmp_path / "checkpoints", SILENT)
    assert outcome.steps == math.ceil(8 / 4) * 8
    margins = [curve["rewards/margins"] for curve in outcome.curves]
    assert margins[0] < margins[-1] and margins[-1] > 0
    assert any(not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items()), "trained in place"
