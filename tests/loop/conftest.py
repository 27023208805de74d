"""The whole loop as its users run it: the command in a process of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def ctp(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "steps.cli.main", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=900
    )
    assert not check or done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}"
    return done


def killed_run(arguments: list[object], delays: list[float]) -> list[float]:
    """Start the command again and again, kill -9 it after each delay; returns when each kill really came."""
    killed = []
    for delay in delays:
        child = subprocess.Popen(
            [sys.executable, "-m", "steps.cli.main", *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            child.wait(delay)
            break
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            killed.append(delay)
    return killed


def leftovers(workdir: Path) -> list[str]:
    """Command lines of processes that still mention the work folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(workdir) in line and "pytest" not in line:
            found.append(line)
    return found


def wait_until_gone(workdir: Path, timeout_s: float = 20.0) -> list[str]:
    """Servers of a killed run end by themselves; what is left after the timeout."""
    deadline = time.monotonic() + timeout_s
    while (left := leftovers(workdir)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def read_report(workdir: Path, run_id: str) -> dict:
    return json.loads((workdir / "runs" / run_id / "report.json").read_text(encoding="utf-8"))


def read_state(workdir: Path, run_id: str) -> dict:
    return json.loads((workdir / "runs" / run_id / "state.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def kill_seed() -> int:
    """Seed of the kill instants; set CTP_KILL_SEED to repeat a failure."""
    return int(os.environ.get("CTP_KILL_SEED") or random.SystemRandom().randrange(10**6))
