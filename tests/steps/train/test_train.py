"""The train step: what it refuses, reuses, and survives."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.catalog import find_step
from steps.contract.errors import DataError
from steps.contract.files import sha256_tree
from steps.contract.refs import ArtifactRef
from steps.contract.runtime import run_step
from steps.train import train as step
from steps.train.train import run, train_key

STEPS = {"dpo": 12, "grpo": 4}


class Stopped(BaseException):
    """What a kill looks like from inside."""


class StopAt:
    """Progress that ends the process, so to speak, at an optimizer step."""

    def __init__(self, number):
        self.left = number

    @contextlib.contextmanager
    def task(self, description, total=None, unit=""):
        yield self

    def advance(self, count=1):
        self.left -= count
        if self.left == 0:
            raise Stopped

    def note(self, text):
        pass


@pytest.fixture(scope="module")
def judge_url(tmp_path_factory):
    with ServerProcess("judge", {}, log_file=tmp_path_factory.mktemp("judge") / "judge.log") as server:
        yield server.wait_healthy().url + "/v1"


@pytest.fixture(scope="module")
def whole(make, dataset, judge_url, tmp_path_factory):
    """(workdir, result) of an undisturbed training by method; nothing but the judge may be called."""
    connect = socket.socket.connect
    done = {}

    def only_here(self, address):
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), f"training connects to {address}"
        return connect(self, address)

    def train(method):
        if method not in done:
            workdir = tmp_path_factory.mktemp(method)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(socket.socket, "connect", only_here)
                done[method] = workdir, run(make.params(dataset, method=method), make.ctx(workdir, judge_url=judge_url))
        return done[method]

    return train


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_a_candidate_is_a_whole_model_folder(method, whole, base):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    workdir, result = whole(method)
    assert (result.method, result.steps, result.reused, result.skipped_too_long) == (method, STEPS[method], False, 0)
    assert [curve["step"] for curve in result.curves] == [*range(1, STEPS[method] + 1)]
    assert {"dpo": "rewards/margins", "grpo": "reward"}[method] in result.curves[-1]
    folder = workdir / "artifacts" / "models" / result.model.uri.rpartition("/")[2]
    assert result.model.sha256 == sha256_tree(folder) != sha256_tree(base)
    model = AutoModelForCausalLM.from_pretrained(folder)
    before = AutoModelForCausalLM.from_pretrained(base)
    assert any((a != b).any() for a, b in zip(model.parameters(), before.parameters(), strict=True))
    assert AutoTokenizer.from_pretrained(folder).chat_template == AutoTokenizer.from_pretrained(base).chat_template
    assert not list((workdir / "checkpoints").iterdir()), "checkpoints are gone when the candidate is there"


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_the_same_inputs_are_trained_once(method, whole, make, dataset, monkeypatch):
    workdir, result = whole(method)
    monkeypatch.setattr(step, "_train", lambda *_: pytest.fail("trained again"))
    # Another port of the same judge makes no other candidate.
    again = run(make.params(dataset, method=method, approved_digest=dataset.sha256), make.ctx(workdir, judge_url="http://127.0.0.1:1/v1"))
    assert again == result.model_copy(update={"reused": True})


def test_everything_that_shapes_the_weights_is_in_the_key(make, dataset, tmp_path):
    def key(method="dpo", **train):
        return train_key(make.params(dataset, method=method), make.ctx(tmp_path, **train))

    keys = [key(), key("grpo"), key(seed=1), key(max_length_tokens=100), key(dpo={"beta": 0.2}), key("grpo", grpo={"max_steps": 9})]
    assert len(set(keys)) == len(keys)
    assert key(save_steps=7) == key(grpo={"max_steps": 9}) == key()


def test_refusals(make, dataset, base, tmp_path):
    ctx = make.ctx(tmp_path)
    wrong = "0" * 64
    with pytest.raises(DataError, match="is not the approved"):
        run(make.params(dataset, approved_digest=wrong), ctx)
    with pytest.raises(DataError, match="not the curated dataset with SHA-256"):
        run(make.params(ArtifactRef(uri=dataset.uri, sha256=wrong)), ctx)
    with pytest.raises(DataError, match="the curated dataset is gone"):
        run(make.params(ArtifactRef(uri=(tmp_path / "no").as_uri(), sha256=wrong)), ctx)
    with pytest.raises(DataError, match="not the base model with digest"):
        run(make.params(dataset, base=ArtifactRef(uri=base.as_uri(), sha256=wrong)), ctx)
    with pytest.raises(DataError, match="the base model does not exist"):
        run(make.params(dataset, base=ArtifactRef(uri=(tmp_path / "no").as_uri(), sha256=wrong)), ctx)
    with pytest.raises(DataError, match="not a local file"):
        run(make.params(ArtifactRef(uri="s3://bucket/dataset.jsonl", sha256=wrong)), ctx)
    assert not (tmp_path / "artifacts").exists()


def test_a_base_without_a_chat_template_is_refused(make, dataset, base, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(base, bare)
    (bare / "chat_template.jinja").unlink()
    params = make.params(dataset, base=ArtifactRef(uri=bare.as_uri(), sha256=sha256_tree(bare)))
    with pytest.raises(DataError, match="no chat template"):
        run(params, make.ctx(tmp_path))


def test_it_runs_from_text_parameters_and_writes_its_result(whole, make, dataset, base, tmp_path):
    workdir, result = whole("dpo")
    raw = {"dataset": str(dataset), "base": f"{base.as_uri()}#sha256:{sha256_tree(base)}", "method": "dpo"}
    run_step(find_step("train"), raw, make.ctx(workdir), tmp_path / "result.json")
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["model"] == str(result.model)
    assert written["reused"] is True


CHILD = """
import os, signal, sys
from pathlib import Path
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.contract.config import PipelineConfig
from steps.train.train import Params, run
import contextlib

class Kill:
    left = 7
    @contextlib.contextmanager
    def task(self, *_, **__):
        yield self
    def note(self, text):
        pass
    def advance(self, count=1):
        self.left -= count
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

config = PipelineConfig.model_validate_json(sys.argv[1])
run(Params.model_validate_json(sys.argv[2]), StepContext(config, "run-1", Path(sys.argv[3]), Kill()))
"""


def test_kill_9_loses_only_the_steps_since_the_last_checkpoint(whole, make, dataset, tmp_path):
    _, expected = whole("dpo")
    params = make.params(dataset)
    arguments = [make.config().model_dump_json(), params.model_dump_json(), str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr[-2000:]
    (folder,) = (tmp_path / "checkpoints").iterdir()
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-6"]
    # A second kill, in the middle of writing the next checkpoint.
    shutil.copytree(folder / "checkpoint-6", folder / "checkpoint-8")
    (folder / "checkpoint-8" / "complete.json").unlink()
    (folder / "checkpoint-8" / "trainer_state.json").write_text('{"global_st')
    result = run(params, make.ctx(tmp_path))
    assert result.model.sha256 == expected.model.sha256, "bit by bit as if nothing had happened"
    assert [curve["loss"] for curve in result.curves] == [curve["loss"] for curve in expected.curves]


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_an_interrupted_training_gives_the_same_candidate(method, whole, make, dataset, judge_url, tmp_path, monkeypatch):
    _, expected = whole(method)
    params = make.params(dataset, method=method)
    with pytest.raises(Stopped):
        run(params, make.ctx(tmp_path, StopAt(3), judge_url=judge_url))

    # And once more after the last step, while the candidate is put in place.
    def no_room(target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(step, "whole_folder", no_room)
        with pytest.raises(OSError, match="No space left"):
            run(params, make.ctx(tmp_path, judge_url=judge_url))
    result = run(params, make.ctx(tmp_path, judge_url=judge_url))
    assert result.model.sha256 == expected.model.sha256
    assert result.steps == STEPS[method]
