"""A model of a few thousand weights, curated rows, and contexts to train in."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.files import sha256_file, sha256_tree
from steps.contract.refs import ArtifactRef
from steps.contract.spec import SilentProgress, StepContext
from steps.laptop.world.domain import World
from steps.laptop.world.oracle import EVASIONS
from steps.laptop.world.warmup import Recipe, build_base
from steps.train.train import Params

MICRO = Recipe(hidden=32, layers=1, heads=2, kv_heads=1, head_dim=16, intermediate=32, steps=0)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A Hugging Face folder with random weights, a tokenizer and a chat template."""
    return build_base(tmp_path_factory.mktemp("base") / "model", 0, SilentProgress(), MICRO)


def make_rows(count=24, **overrides):
    """`count` questions, each as a pair and as a prompt."""
    world = World.create(0)
    rng = random.Random(0)
    rows = []
    for number, item in enumerate(world.train_items[:count]):
        asked = {"prompt_key": str(number), "messages": item.messages, "contexts": item.contexts, "question": item.question}
        pair = {"chosen": item.statement, "rejected": rng.choice(EVASIONS), "chosen_score": 1.0, "rejected_score": 0.1}
        rows += [{"kind": "pair", **asked, **pair, **overrides}, {"kind": "prompt", **asked}]
    return rows


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return ArtifactRef(uri=path.absolute().as_uri(), sha256=sha256_file(path))


def make_config(**train):
    """Few, small steps; `train` changes keys of the train block, `judge_url` the reward judge."""
    judge = train.pop("judge_url", "http://127.0.0.1:9/v1")
    block = {
        "save_steps": 2,
        "dpo": {"batch_size": 4, "epochs": 2},
        "grpo": {"num_generations": 2, "prompts_per_step": 2, "max_steps": 4, "max_answer_tokens": 6},
        **train,
    }
    return PipelineConfig.model_validate({"train": block, "reward_judge": {"model": "lexical-entailment-coverage", "base_url": judge}})


@pytest.fixture(scope="session")
def make(base):
    """Factories: `rows`, `write`, `config`, `ctx(workdir)`, `params(dataset)`."""

    def ctx(workdir, progress=None, **train):
        return StepContext(make_config(**train), "run-1", workdir, progress or SilentProgress())

    def params(dataset, **overrides):
        return Params(**{"dataset": dataset, "base": ArtifactRef(uri=base.as_uri(), sha256=sha256_tree(base)), **overrides})

    return SimpleNamespace(rows=make_rows, write=write_rows, config=make_config, ctx=ctx, params=params)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, make):
    return make.write(tmp_path_factory.mktemp("dataset") / "dataset.jsonl", make.rows())
