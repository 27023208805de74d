"""The warm-up: deterministic, resumable, all or nothing."""

from __future__ import annotations

import contextlib

import pytest

from steps.contract.files import sha256_tree
from steps.contract.spec import SilentProgress
from steps.laptop.world import warmup
from steps.laptop.world.warmup import Recipe, base_key, build_base

MICRO = Recipe(hidden=32, layers=1, heads=2, kv_heads=1, head_dim=16, intermediate=32, steps=14, recap_steps=4, batch=4, warmup_steps=3)


class Stopped(BaseException):
    """What a kill looks like from inside."""


class StopAfter:
    """Progress that ends the process, so to speak, after some steps."""

    def __init__(self, steps):
        self.left = steps
        self.seen = 0

    @contextlib.contextmanager
    def task(self, description, total=None, unit=""):
        yield self

    def advance(self, count=1):
        self.seen += count
        self.left -= count
        if self.left < 0:
            raise Stopped

    def note(self, text):
        assert text.startswith("loss ")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build_base(tmp_path_factory.mktemp("base") / "model", 5, SilentProgress(), MICRO)


def test_a_killed_warm_up_resumes_to_the_same_bits(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(warmup, "CHECKPOINT_EVERY_S", 0.0)
    folder = tmp_path / "model"
    for _ in range(2):
        with pytest.raises(Stopped):
            build_base(folder, 5, StopAfter(9), MICRO)
        assert not folder.exists()
    rest = StopAfter(1000)
    build_base(folder, 5, rest, MICRO)
    assert rest.seen == MICRO.steps
    assert sha256_tree(folder) == sha256_tree(whole)
    assert list(tmp_path.iterdir()) == [folder], "checkpoints are gone when the model is there"


def test_an_existing_model_is_kept(whole):
    before = sha256_tree(whole)
    assert build_base(whole, 5, StopAfter(-1), MICRO) == whole
    assert sha256_tree(whole) == before


def test_it_is_a_hugging_face_model(whole):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(whole), AutoTokenizer.from_pretrained(whole)
    assert (whole / "model.safetensors").is_file()
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id != tokenizer.pad_token_id


def test_the_key_follows_seed_and_recipe():
    assert base_key(1) == base_key(1) != base_key(2)
    assert base_key(1, MICRO) != base_key(1)


def test_attention_copies_before_any_training():
    tokenizer = warmup.build_tokenizer()
    model = warmup.build_model(tokenizer, 0, Recipe())
    attention = model.model.layers[1].self_attn
    assert attention.o_proj.weight[:, 32:64].equal(attention.v_proj.weight[:32].T)


def test_padding_does_not_reach_the_loss():
    import torch

    tokenizer = warmup.build_tokenizer()
    model = warmup.build_model(tokenizer, 0, MICRO)
    short = ([5, 6, 7, 8], [-100, -100, 7, 8])
    long = ([9] * 20, [-100] * 18 + [9, 9])
    alone = warmup.backward(model, [short])
    both = warmup.backward(model, [short, long])
    other = warmup.backward(model, [long])
    assert both == pytest.approx((alone + other) / 2, rel=1e-5)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
