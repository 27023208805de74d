"""Parameters as a workflow passes them, and results as it reads them; the command line gives the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import UsageError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.runtime import run_step, validate_params, write_outputs
from steps.contract.spec import StepContext
from steps.registry.register import Result as Registered

ROOT = Path(__file__).parents[3]


def test_empty_text_means_not_given_unless_it_is_text():
    params = validate_params(
        find_step("curate"), {"traces": "ctp.traces@1", "labels": "ctp.labels@1", "policy_version": "", "golden": "", "since": ""}
    )
    assert (params.golden, params.since, params.policy_version) == (None, None, "")
    with pytest.raises(UsageError, match="traces"):
        validate_params(find_step("label-plan"), {"traces": ""})
    with pytest.raises(UsageError, match="nope"):
        validate_params(find_step("label-plan"), {"traces": "ctp.traces@1", "nope": ""})


def test_json_text_is_a_list_where_a_list_belongs():
    manifest = f"file:///m.json#sha256:{'a' * 64}"
    params = validate_params(find_step("govern-commit"), {"shards": json.dumps([manifest])})
    assert [str(shard) for shard in params.shards] == [manifest]
    with pytest.raises(UsageError, match="--shards"):
        validate_params(find_step("govern-commit"), {"shards": "[{"})


def test_each_field_is_a_file(tmp_path):
    artifact = ArtifactRef(uri="file:///models/m", sha256="a" * 64)
    write_outputs(Registered(model=ModelRef(name="m", version=3), artifact=artifact, champion=None, reused=True), tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {"model": "m@3", "artifact": str(artifact), "champion": "", "reused": "true"}


def test_the_command_writes_the_same_as_the_call(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text('{"resourceSpans": []}\n')
    called = run_step(find_step("ingest"), {"sources": str(tmp_path / "raw")}, StepContext(PipelineConfig(), "r", tmp_path / "one"))
    command = ["step", "ingest", f"--workdir={tmp_path / 'two'}", "--run-id=r", f"--result-file={tmp_path / 'result.json'}"]
    command += [f"--outputs-dir={tmp_path / 'outputs'}", f"--sources={tmp_path / 'raw'}"]
    subprocess.run([sys.executable, "-m", "steps.cli.main", *command], cwd=ROOT, check=True, capture_output=True)
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["units"] == json.loads(called.model_dump_json())["units"]
    outputs = {path.name: path.read_text() for path in (tmp_path / "outputs").iterdir()}
    assert json.loads(outputs["unit_ids"]) == written["unit_ids"]
    assert outputs["plan"] == written["plan"]
    assert set(outputs) == set(written)


def test_operators_commands_answer(tmp_path):
    def ctp(*arguments):
        return subprocess.run([sys.executable, "-m", "steps.cli.main", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)

    hashed = ctp("erase", "--user", "someone", "--hash-only", "--workdir", str(tmp_path))
    erased = ctp("erase", "--user", "someone", "--workdir", str(tmp_path), "--json")
    assert json.loads(erased.stdout)["user_hash"] == hashed.stdout.strip()
    assert "someone" not in erased.stdout + erased.stderr
    rejected = ctp("step", "reject", "--stage=approve-train", "--by=Ada", "--reason=no", "--workdir", str(tmp_path))
    assert (rejected.returncode, "rejected at approve-train by Ada: no" in rejected.stderr) == (65, True)
    shown = ctp("--help").stdout
    assert all(f"  {command} " in shown for command in ("erase", "rollback", "lineage"))
