"""`ctp run`: choose or resume a run, walk it, write the report, print the last screen."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from steps.cluster.process import thread_environment
from steps.contract.config import PipelineConfig
from steps.laptop.loop import Loop
from steps.laptop.progress import ConsoleProgress
from steps.laptop.report.page import write_report
from steps.laptop.reporting import build_report
from steps.laptop.runner import run_to_end
from steps.laptop.services import Services
from steps.laptop.state import RunStore, workdir_lock
from steps.laptop.summary import print_summary
from steps.operate.preflight import check_inputs


def run_loop(
    config: PipelineConfig,
    workdir: Path,
    *,
    sources: tuple[str, ...],
    seed: int,
    yes: bool,
    sabotage: bool,
    quiet: bool,
    max_cost_usd: float = 0.0,
) -> str:
    """Run the loop to its end in `workdir`; returns the report as JSON text.

    Raises:
        PipelineError: with its exit code; the same call goes on from the last finished stage.
    """
    for name, value in thread_environment().items():
        os.environ.setdefault(name, value)

    console = Console(stderr=quiet, quiet=quiet)
    # Sources are kept as absolute paths: a resumed run may be started from elsewhere.
    wanted = tuple(source if "://" in source else str(Path(source).absolute()) for source in sources)
    config = config.model_copy(update={"train": config.train.model_copy(update={"seed": seed})})
    check_inputs(config, wanted)
    with workdir_lock(workdir):
        store = RunStore(workdir)
        state, resumed = store.begin(seed=seed, method=config.train.method, sabotage=sabotage, sources=wanted, config_hash=config.digest())
        done = f", resumed after {list(state.results)[-1]}" if resumed and state.results else ""
        console.print(f"[bold]{state.run_id}[/bold] in {workdir} · {state.method} · seed {state.seed}{done}", highlight=False)
        with Services(config, workdir) as services:
            loop = Loop(config, workdir, state, store, services, console, ConsoleProgress(console), yes, max_cost_usd)
            run_to_end(loop)
        report = build_report(loop)
        _, html = write_report(report, store.path(state.run_id))
        store.save(state)
    print_summary(console, report, html)
    return report.model_dump_json(indent=2)
