"""What a step is: a name, one function, and the context it is given."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel

    from steps.contract.config import PipelineConfig

Phase = Literal["Successful", "Failed", "Inconclusive"]
"""What a decision comes to, in the words of Argo Rollouts."""


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


SILENT = SilentProgress()


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
class Metric:
    """A number of a step's result that an orchestrator shows when the step has succeeded.

    Attributes:
        name: of the metric, without the orchestrator's prefix.
        field: of the result.
        help: what it is.
        labels: fixed labels.
        kind: a gauge is set, a counter grows by the field.
        when: a boolean field of the result that must be true besides; empty: none.
        by_workflow: it carries the workflow's name as a label.
    """

    name: str
    field: str
    help: str
    labels: tuple[tuple[str, str], ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"
    when: str = ""
    by_workflow: bool = False


@dataclass(frozen=True)
class StepSpec:
    """A step by name. `module` holds `Params`, `Result` and `run(params, ctx)`.

    The module is a string so that listing and rendering never import a step.

    Attributes:
        name: of the step and of its template.
        module: where it is defined.
        summary: what it does.
        account: the service account that it runs under, without the prefix; empty: no workflow runs it.
        compute: the compute class of its pod.
        model_image: it loads models or tokenizers and needs the image that holds torch.
        model_servers: both models are served beside it, where users are served by vLLM.
        outputs: fields of its result that other nodes, people or metrics read. The whole result may hold a training
            curve or examples with text: it stays in its file, and in the artifact repository where there is one.
        rows: the output that counts rows.
        mutex: held while it works, across all workflows; empty: none.
        retried: another attempt can help.
        metrics: shown besides duration, attempts and rows; their fields are outputs too.
    """

    name: str
    module: str
    summary: str
    account: str = ""
    compute: str = "control"
    model_image: bool = False
    model_servers: bool = False
    outputs: tuple[str, ...] = ()
    rows: str = ""
    mutex: str = ""
    retried: bool = True
    metrics: tuple[Metric, ...] = ()

    @property
    def all_outputs(self) -> tuple[str, ...]:
        """Outputs, and the fields that are one only because a metric shows them."""
        shown = (name for item in self.metrics for name in (item.when, item.field) if name)
        return tuple(dict.fromkeys((*self.outputs, *shown)))

    def load(self) -> tuple[type[BaseModel], type[BaseModel], Callable[[Any, StepContext], Any]]:
        """Import the step: (Params, Result, run)."""
        module = importlib.import_module(self.module)
        return module.Params, module.Result, module.run
