"""What the stages of one local run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.laptop.progress import ConsoleProgress
from steps.laptop.services import Services
from steps.laptop.state import RunState, RunStore


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
