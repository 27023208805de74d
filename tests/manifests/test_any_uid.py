"""What the image promises: any uid, read-only root, nothing writable but /tmp and the volume."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request

import pytest

from .sandbox import UID, in_container, why_not

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=f"no container-like sandbox here: {REASON}")
CTP = [sys.executable, "-m", "steps.cli.main"]


@pytest.fixture
def volume(tmp_path):
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


def contained(tmp_path, volume, command, **options):
    return subprocess.run(in_container(tmp_path / "root", volume, command), capture_output=True, text=True, timeout=120, cwd="/", **options)


def test_the_sandbox_is_read_only_and_its_user_unknown(tmp_path, volume):
    code = """
import os, pwd
try:
    print(pwd.getpwuid(os.getuid()).pw_name)
except KeyError:
    print("unknown")
try:
    open("/etc/x", "w")
except OSError as error:
    print(error.errno)
"""
    done = contained(tmp_path, volume, [sys.executable, "-c", code])
    assert done.stdout.split() in (["unknown", "30"], ["unknown", "13"]), done.stdout + done.stderr


def test_lake_registry_and_pin_are_made_on_a_volume(tmp_path, volume):
    """The three things that have a home of their own: Iceberg with SQLite, MLflow with SQLite, and Git."""
    code = """
from pathlib import Path
from steps.contract.config import load_config
from steps.store.registry import open_registry
from steps.store.lake import open_lake
from steps.contract.spec import StepContext
from steps.release.change import current_pin
work = Path("/tmp/data/ctp")
config = load_config()
with open_lake(config, work) as lake:
    print(lake.current("traces"))
open_registry(config, work).ensure_model("agent-model")
print(current_pin(StepContext(config, "r", work)).version)
"""
    done = contained(tmp_path, volume, [sys.executable, "-W", "ignore", "-c", code])
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["ctp.traces@0", "0"]
    assert sorted(path.name for path in (volume / "ctp").iterdir()) >= ["gitops.git", "lake", "mlflow"]


def test_a_step_runs_and_writes_its_result(tmp_path, volume):
    (volume / "raw").mkdir()
    (volume / "raw" / "spans.jsonl").write_text('{"resourceSpans": []}\n')
    command = [
        *CTP,
        "step",
        "ingest",
        "--sources=/tmp/data/raw",
        "--workdir=/tmp/data/ctp",
        "--run-id=a-uid",
        "--result-file=/tmp/data/result.json",
    ]
    done = contained(tmp_path, volume, command)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((volume / "result.json").read_text())["files"] == 1
    assert (volume / "result.json").stat().st_uid == UID


def test_the_judge_serves(tmp_path, volume):
    command = in_container(
        tmp_path / "root",
        volume,
        [*CTP, "serve", "judge", "--port=0", "--host=127.0.0.1", "--port-file=/tmp/data/ports.json", "--watch-stdin"],
    )
    judge = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", text=True)
    try:
        until = time.monotonic() + 60
        while not (volume / "ports.json").exists() and judge.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert judge.poll() is None, judge.stderr.read()[-2000:]
        port = json.loads((volume / "ports.json").read_text())["port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            assert answer.status == 200
    finally:
        judge.stdin.close()
        judge.wait(20)
        judge.stderr.close()
