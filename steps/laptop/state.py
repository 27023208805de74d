"""A run on disk: what is done, so that the same command after `kill -9` goes on from there.

One JSON file a run, replaced atomically after every stage. The newest unfinished run
with the same request is resumed; anything else starts a new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from steps.contract.errors import TransientError
from steps.contract.files import read_json, write_atomic


class RunState(BaseModel):
    """Everything a run has decided and measured so far."""

    model_config = ConfigDict(extra="forbid")

    run_id: str
    seed: int
    method: Literal["dpo", "grpo"]
    sabotage: bool
    sources: tuple[str, ...]
    config_hash: str
    started_at: str
    finished_at: str = ""
    outcome: str = ""
    reason: str = ""
    results: dict[str, dict[str, Any]] = {}
    approvals: list[dict[str, Any]] = []
    seconds: dict[str, float] = {}
    cpu_seconds: dict[str, float] = {}
    peak_memory_mb: float = 0.0

    def request(self) -> tuple[Any, ...]:
        """What was asked for: an unfinished run is resumed only by the same request."""
        return (self.seed, self.method, self.sabotage, self.sources, self.config_hash)


class RunStore:
    """The `runs` folder of a work folder."""

    def __init__(self, workdir: Path) -> None:
        self.folder = workdir / "runs"

    def path(self, run_id: str) -> Path:
        """Folder of one run."""
        return self.folder / run_id

    def ids(self) -> list[str]:
        """Run ids, oldest first."""
        return sorted(path.parent.name for path in self.folder.glob("run-*/state.json"))

    def load(self, run_id: str) -> RunState:
        """Read one run's state."""
        return RunState.model_validate(read_json(self.path(run_id) / "state.json"))

    def save(self, state: RunState) -> None:
        """Replace one run's state on disk."""
        write_atomic(self.path(state.run_id) / "state.json", state.model_dump_json(indent=2) + "\n")

    def begin(
        self, *, seed: int, method: Literal["dpo", "grpo"], sabotage: bool, sources: tuple[str, ...], config_hash: str
    ) -> tuple[RunState, bool]:
        """The run to work on and whether it is a resumed one."""
        ids = self.ids()
        fresh = RunState(
            run_id=f"run-{len(ids) + 1:04d}",
            seed=seed,
            method=method,
            sabotage=sabotage,
            sources=sources,
            config_hash=config_hash,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if ids:
            last = self.load(ids[-1])
            if not last.finished_at and last.request() == fresh.request():
                return last, True
        self.save(fresh)
        return fresh, False


@contextlib.contextmanager
def workdir_lock(workdir: Path) -> Iterator[None]:
    """Hold the work folder for this process; the kernel frees it when the process dies.

    Raises:
        TransientError: another `ctp run` works there.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(f"{workdir} is in use by another run: wait for it or give another --workdir") from None
        yield


class Clock:
    """Wall and CPU seconds of the stages, CPU including every server the loop has started."""

    def __init__(self, state: RunState) -> None:
        self.state = state

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block as stage `name`; a stage that was killed counts from its last start."""
        wall, cpu = time.monotonic(), tree_cpu_seconds()
        try:
            yield
        finally:
            self.state.seconds[name] = round(time.monotonic() - wall, 2)
            used = max(0.0, tree_cpu_seconds() - cpu)
            self.state.cpu_seconds[name] = round(used, 2)


def tree_cpu_seconds() -> float:
    """CPU seconds of this process, its living children and those already waited for."""
    import psutil

    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            used = child.cpu_times()
            total += used.user + used.system
    return total


def tree_memory_mb() -> float:
    """Resident memory of this process and all its children, in MiB."""
    import psutil

    total = 0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / (1 << 20)
