from __future__ import annotations

import json

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError, UsageError
from steps.contract.files import sha256_file, sha256_text, sha256_tree
from steps.contract.refs import ArtifactRef
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.operate.approval.resolve import Params, run

MODEL = ArtifactRef(uri="file:///models/first", sha256=sha256_text("first"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A work folder with a first model; making the registry's tables takes seconds."""
    workdir = tmp_path_factory.mktemp("resolve")
    registry = {"tracking_uri": f"sqlite:///{workdir / 'mlflow.db'}"}
    ctx = StepContext(config=PipelineConfig.model_validate({"registry": registry}), run_id="run-1", workdir=workdir)
    run_step(find_step("register"), {"model": str(MODEL), "bootstrap": "true"}, ctx)
    return ctx


@pytest.fixture
def golden(tmp_path):
    path = tmp_path / "golden.jsonl"
    item = {"id": "q1", "question": "What?", "contexts": ["This."], "messages": [{"role": "user", "content": "What?"}]}
    path.write_text(json.dumps(item) + "\n")
    return path


def test_names_become_content(home, golden):
    result = run(Params(golden=str(golden)), home)
    assert str(result.champion) == "agent-model@1" and result.champion_artifact == result.base == MODEL
    assert result.previous is None and result.previous_artifact is None
    assert result.golden == ArtifactRef(uri=golden.as_uri(), sha256=sha256_file(golden))
    assert str(result.traces) == "ctp.traces@0"


def test_a_reference_is_held_to_its_digest(home, golden):
    good = ArtifactRef(uri=golden.as_uri(), sha256=sha256_file(golden))
    assert run(Params(golden=str(good)), home).golden == run(Params(golden=golden.as_uri()), home).golden == good
    with pytest.raises(DataError, match="golden set was changed"):
        run(Params(golden=f"{golden.as_uri()}#sha256:{'0' * 64}"), home)
    with pytest.raises(DataError, match="no such golden set"):
        run(Params(golden="/nowhere.jsonl"), home)
    with pytest.raises(UsageError, match="64 hex digits"):
        run(Params(golden=f"{golden.as_uri()}#sha256:abc"), home)
    assert run(Params(), home).golden is None


def test_a_base_model_of_ones_own(home, tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    result = run(Params(base_model=str(folder)), home)
    assert result.base == ArtifactRef(uri=folder.as_uri(), sha256=sha256_tree(folder)) and result.champion_artifact == MODEL
    assert run(Params(base_model=folder.as_uri()), home).base == result.base
    with pytest.raises(DataError, match="no such base model"):
        run(Params(base_model=str(tmp_path / "none")), home)
    with pytest.raises(UsageError, match="copy the model"):
        run(Params(base_model="s3://bucket/model"), home)


def test_a_model_that_was_downloaded_is_not_downloaded_again(home):
    folder = home.artifacts / "models" / "hub-org--model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert run(Params(base_model="org/model"), home).base == ArtifactRef(uri=folder.as_uri(), sha256=sha256_tree(folder))


def test_without_a_first_model_nothing_can_start(home):
    other = StepContext(config=home.config.model_copy(update={"model_name": "other"}), run_id="run-1", workdir=home.workdir)
    with pytest.raises(DataError, match="register the first model"):
        run(Params(), other)
