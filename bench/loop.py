"""The loop itself: wall and CPU seconds of each stage, peak memory, and what it gained."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.row import Row

MAX_SECONDS = {"dpo": 360.0, "grpo": 600.0}
MAX_MEMORY_MIB = 4096.0


def measure() -> list[Row]:
    """One run of each method in a new folder, seed 0."""
    rows: list[Row] = []
    for method in ("dpo", "grpo"):
        rows += _one(method)
    return rows


def _one(method: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "steps.cli.main",
            "run",
            "--yes",
            "--json",
            "--method",
            method,
            "--workdir",
            str(Path(folder) / "work"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    rows = []
    for stage, seconds in report["seconds"].items():
        cpu = report["cpu_seconds"].get(stage, 0.0)
        rows.append(_row(f"{method} · {stage}", seconds, "s", f"{cpu:.1f} CPU s", "", None))
    total = sum(report["seconds"].values())
    faithfulness = report["gate"]["metrics"]["faithfulness"]
    memory = report["peak_memory_mb"]
    return [
        *rows,
        _row(f"{method} · all stages", total, "s", "", f"at most {MAX_SECONDS[method]:.0f}", total <= MAX_SECONDS[method]),
        _row(f"{method} · peak memory", memory, "MiB", "", f"at most {MAX_MEMORY_MIB:.0f}", memory <= MAX_MEMORY_MIB),
        _row(
            f"{method} · held-out faithfulness",
            faithfulness["candidate"],
            "score",
            f"champion {faithfulness['champion']:.3f}",
            "at least 0.85, champion at most 0.70",
            faithfulness["candidate"] >= 0.85 and faithfulness["champion"] <= 0.70,
        ),
    ]


def _row(name: str, value: float, unit: str, baseline: str, target: str, ok: bool | None) -> Row:
    return Row(name=name, value=value, unit=unit, baseline=baseline, target=target, ok=ok)
