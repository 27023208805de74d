"""A NeMo-RL of two small nodes, and what it would leave behind."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.files import sha256_file, sha256_tree
from steps.contract.refs import ArtifactRef
from steps.contract.spec import SilentProgress, StepContext
from steps.laptop.world.domain import World
from steps.laptop.world.oracle import EVASIONS
from steps.laptop.world.warmup import Recipe, build_base
from steps.train.nemo.nemo_prepare import Params

MICRO = Recipe(hidden=32, layers=1, heads=2, kv_heads=1, head_dim=16, intermediate=32, steps=0)
SMALL = {
    "enabled": True,
    "nodes": 2,
    "gpus_per_node": 2,
    "max_length_tokens": 384,
    "save_steps": 2,
    "dpo": {"batch_pairs": 4, "epochs": 2},
    "grpo": {"num_generations": 4, "prompts_per_step": 4, "batch_samples": 16, "max_steps": 6, "max_answer_tokens": 16},
}


def config_of(**nemo):
    """The small cluster with changed keys."""
    judge = {"model": "lexical-entailment-coverage", "base_url": "http://127.0.0.1:9/v1"}
    return PipelineConfig.model_validate({"train": {"nemo": SMALL | nemo}, "reward_judge": judge})


@pytest.fixture(scope="session")
def nemo(tmp_path_factory):
    """Factories: `ctx(workdir, **nemo)`, `params(**overrides)`, `config(**nemo)`, and the `base` folder."""
    root = tmp_path_factory.mktemp("nemo")
    base = build_base(root / "base", 0, SilentProgress(), MICRO)
    lines = []
    for number, item in enumerate(World.create(0).train_items[:24]):
        asked = {"prompt_key": str(number), "messages": item.messages, "contexts": item.contexts, "question": item.question}
        lines.append({"kind": "pair", **asked, "chosen": item.statement, "rejected": EVASIONS[number % len(EVASIONS)]})
        lines.append({"kind": "prompt", **asked})
    path = root / "dataset.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    given = {
        "dataset": ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path)),
        "base": ArtifactRef(uri=base.as_uri(), sha256=sha256_tree(base)),
    }

    def ctx(workdir, **nemo):
        return StepContext(config_of(**nemo), "run-1", workdir)

    return SimpleNamespace(ctx=ctx, params=lambda **overrides: Params(**(given | overrides)), config=config_of, base=base, path=path)
