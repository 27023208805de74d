"""What the stages of one local run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from steps.config import PipelineConfig
from steps.core.spec import StepContext
from steps.local.progress import ConsoleProgress
from steps.local.services import Services
from steps.local.state import RunState, RunStore


@dataclass(frozen=True)
class Loop:
    """What the stages of one run share."""

    config: PipelineConfig
    workdir: Path
    state: RunState
    store: RunStore
    services: Services
    console: Console
    progress: ConsoleProgress
    automatic: bool
    max_cost_usd: float = 0.0

    @property
    def ctx(self) -> StepContext:
        """The context of a pipeline step; judges without a URL get the embedded one's."""
        config = self.services.with_judges(self.config)
        return StepContext(config=config, run_id=self.state.run_id, workdir=self.workdir, progress=self.progress)
