"""`ctp bootstrap`, `ctp traffic` and `ctp status`: what a cluster begins with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from steps.contract.config import load_config
from steps.contract.errors import DataError
from steps.laptop.bootstrap import bootstrap, traffic

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The embedded model before any training: what it answers is no matter here."""
    from steps.laptop.world.tokenizer import build_tokenizer
    from steps.laptop.world.warmup import RECIPE, build_model

    folder = tmp_path_factory.mktemp("model") / "model"
    tokenizer = build_tokenizer()
    build_model(tokenizer, 0, RECIPE).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def status(workdir):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "steps.cli.main", "status", "--json", "--workdir", str(workdir)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=True).stdout)


def test_a_folder_begins_once_and_then_has_traffic(tmp_path, model):
    config = load_config(overrides=(f"world.base_model={model}", "world.requests_per_prompt=2"))
    work, raw = tmp_path / "work", tmp_path / "raw"
    with pytest.raises(DataError, match="run ctp bootstrap"):
        traffic(config, work, to=raw, name="first", quiet=True)

    first = bootstrap(config, work, seed=3, quiet=True)
    assert (first["champion"], first["changed"], first["world_seed"]) == ("agent-model@1", True, 3)
    again = bootstrap(config, work, seed=9, quiet=True)
    assert again == first | {"changed": False}, "a second call, of any seed, changes nothing"

    asked = traffic(config, work, to=raw, name="first", quiet=True)
    assert asked["answered"] > 100 and asked["errors"] == 0
    assert len(list(raw.glob("*.jsonl"))) == 2, "spans of the users and of the model server"
    assert not (work / "lake").exists(), "nothing is ingested yet"

    state = status(work)
    assert (state["champion"], state["pinned"], state["candidate"]) == ("agent-model@1", "agent-model@1", None)
    assert state["rows"]["traces"] == 0 and state["records"] == []


def test_the_commands_are_there():
    from typer.testing import CliRunner

    from steps.cli.main import app

    for name in ("bootstrap", "traffic", "status"):
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
