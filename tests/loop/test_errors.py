"""Bad input: one line that says what and what to do, the documented exit code, nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from .conftest import ctp

pytestmark = pytest.mark.timeout(300)


def failed(code, *arguments):
    done = ctp(*arguments, check=False)
    assert done.returncode == code, f"exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, f"more than one line:\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return lines[0]


def test_wrong_configuration_key(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("pipeline:\n  curate:\n    min_paris: 3\n")
    line = failed(78, "run", "--yes", "--workdir", tmp_path / "work", "--config", config)
    assert "curate.min_paris" in line and str(config) in line
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "text",
    ["- a list", "curate: {min_pairs: none at all}", "curate: {min_pairs: 0}", "{", "gate_judge: {model: lexical-entailment-coverage}"],
)
def test_wrong_configuration_values(tmp_path, text):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert str(config) in failed(78, "config", "--config", config)


def test_missing_configuration(tmp_path):
    assert "nowhere.yaml" in failed(78, "run", "--config", tmp_path / "nowhere.yaml", "--workdir", tmp_path / "work")


def test_missing_source(tmp_path):
    line = failed(65, "run", "--yes", "--workdir", tmp_path / "work", "--source", tmp_path / "nowhere.jsonl")
    assert "nowhere.jsonl" in line
    assert not (tmp_path / "work").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_source(tmp_path):
    source = tmp_path / "secret.jsonl"
    source.write_text("{}\n")
    source.chmod(0)
    assert "secret.jsonl" in failed(77, "run", "--yes", "--workdir", tmp_path / "work", "--source", source)


def test_unreachable_judge(tmp_path):
    line = failed(75, "run", "--yes", "--workdir", tmp_path / "work", "--set", "gate_judge.base_url=http://127.0.0.1:9/v1")
    assert "gate_judge" in line and "http://127.0.0.1:9/v1" in line
    assert not (tmp_path / "work").exists()


def test_full_disk(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        line = failed(75, "run", "--yes", "--workdir", small / "work")
        assert "no space left" in line
        assert not list((small / "work").rglob("model.safetensors")), "half a model was left"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_two_runs_in_one_folder(tmp_path):
    import fcntl

    (tmp_path / "work").mkdir()
    with (tmp_path / "work" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "in use" in failed(75, "run", "--yes", "--workdir", tmp_path / "work")


def test_approval_without_a_person(tmp_path):
    """Nobody at a terminal and no --yes: the run stops before training and can be resumed."""
    shutil.rmtree(tmp_path / "work", ignore_errors=True)
    from rich.console import Console

    from steps.contract.errors import UsageError
    from steps.contract.pipeline import APPROVE_TRAIN
    from steps.laptop.approve import ask_approval

    with pytest.raises(UsageError, match="--yes"):
        ask_approval(Console(quiet=True), APPROVE_TRAIN, dict.fromkeys((item.name for item in APPROVE_TRAIN.shows), "?"), automatic=False)


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("run", "--no-such-option"), ("step", "nonsense"), ("step", "label", "--nonsense=1"), ("step", "label", "stray")],
)
def test_usage_errors(arguments):
    failed(64, *arguments)


def test_status_and_report_of_an_empty_folder(tmp_path):
    assert "no run" in failed(65, "status", "--workdir", tmp_path)
    assert "no finished run" in failed(65, "report", "--workdir", tmp_path)
