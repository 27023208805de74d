"""What a step is: a name, one function, and the context it is given."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel

    from steps.contract.config import PipelineConfig


class Task(Protocol):
    """One line of progress."""

    def advance(self, count: float = 1) -> None:
        """Add `count` finished units."""

    def note(self, text: str) -> None:
        """Replace the short remark beside the bar."""


class Progress(Protocol):
    """Where a step says how far it is; silent by default."""

    def task(self, description: str, total: float | None = None, unit: str = "") -> contextlib.AbstractContextManager[Task]:
        """Open a progress line with `total` units (None: unknown)."""


class _SilentTask:
    def advance(self, count: float = 1) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        """Nothing is shown."""


class SilentProgress:
    """Progress for tests, pods and `--json`."""

    @contextlib.contextmanager
    def task(self, description: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """Yield a task that shows nothing."""
        yield _SilentTask()


@dataclass(frozen=True)
class StepContext:
    """What every step may use besides its parameters.

    Attributes:
        config: the validated configuration.
        run_id: identifies the run in every table, tag and log line.
        workdir: folder for artifacts; a step writes only below it and in the lake.
        progress: where to report progress.
    """

    config: PipelineConfig
    run_id: str
    workdir: Path
    progress: Progress = field(default_factory=SilentProgress)

    @property
    def artifacts(self) -> Path:
        """Folder of content-addressed artifacts."""
        return self.workdir / "artifacts"


@dataclass(frozen=True)
class StepSpec:
    """A step by name. `module` holds `Params`, `Result` and `run(params, ctx)`.

    The module is a string so that listing and rendering never import a step.
    """

    name: str
    module: str
    summary: str

    def load(self) -> tuple[type[BaseModel], type[BaseModel], Callable[[Any, StepContext], Any]]:
        """Import the step: (Params, Result, run)."""
        module = importlib.import_module(self.module)
        return module.Params, module.Result, module.run
