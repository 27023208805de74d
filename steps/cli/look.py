"""`ctp status`, `report`, `config`, `lineage`, `trace` and `cost`: what there is, printed and never changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from steps.cli.options import DEFAULT_WORKDIR, LAPTOP, ConfigOption, JsonOption, SetOption, WorkdirOption, emit, load_settings, show
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.pipeline import RECONCILE
from steps.laptop.report.record import read_report
from steps.laptop.state import RunStore
from steps.laptop.summary import print_summary
from steps.operate.cost.command import print_bill, read_bill
from steps.operate.status import overview
from steps.operate.trace_story import tell_trace
from steps.registry.lineage import describe


def status(
    workdir: WorkdirOption = DEFAULT_WORKDIR, config: ConfigOption = None, overrides: SetOption = None, as_json: JsonOption = False
) -> None:
    """Show runs, tables, champion, candidate and released model."""
    show_status(load_settings(config, overrides, LAPTOP), workdir.resolve(), as_json=as_json)


def report(
    run_id: Annotated[str, typer.Argument(help="Run to show; default: the newest.")] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    as_json: JsonOption = False,
) -> None:
    """Print where the HTML report of a run lies, and its key figures."""
    show_report(workdir.resolve(), run_id, as_json=as_json)


def show_config(config: ConfigOption = None, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Print every effective configuration value."""
    show(load_settings(config, overrides).model_dump(mode="json"), as_json=as_json)


def lineage(
    model: Annotated[str, typer.Argument(help="MODEL or MODEL@VERSION; without a version: the champion.")],
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a registered model was made of."""
    show(describe(load_settings(config, overrides, LAPTOP), workdir.resolve(), model), as_json=as_json)


def trace(
    trace_id: Annotated[str, typer.Argument(help="Id of the trace, as the source has it or as the lake stores it.")],
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what became of one trace: parts, claims, gates, model calls, scores, label, datasets and models."""
    show(tell_trace(load_settings(config, overrides, LAPTOP), workdir.resolve(), trace_id), as_json=as_json)


def cost(
    run_id: Annotated[str, typer.Option("--run", help="Bill of this run; default: the month's.", show_default=False)] = "",
    month: Annotated[str, typer.Option(help="Bill of this UTC month, as in 2026-05; default: this month.", show_default=False)] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a run or a month has cost, by stage, and what is left of the budget."""
    bill, spent = read_bill(load_settings(config, overrides, LAPTOP), workdir.resolve(), run_id=run_id, month=month)
    if as_json:
        emit(bill.model_dump(mode="json") | {"month": spent.model_dump(mode="json")})
        return
    print_bill(Console(), bill, spent)


def show_status(config: PipelineConfig, workdir: Path, *, as_json: bool) -> None:
    """Print runs, tables, aliases and pin of a work folder, or of the services that the configuration names.

    Raises:
        DataError: there is neither a run nor a lake.
    """
    store = RunStore(workdir)
    runs = [store.load(run_id) for run_id in store.ids()]
    elsewhere = config.lake.catalog != "sql" or config.lake.uri
    if not runs and not elsewhere and not any((workdir / part).exists() for part in ("lake", "mlflow")):
        raise DataError(f"{workdir} holds no run: start one with ctp run --workdir {workdir}")
    status = overview(config, workdir)
    tables = status["tables"]
    rows = [
        {
            "run_id": run.run_id,
            "outcome": run.outcome or "unfinished",
            "method": run.method,
            "seed": run.seed,
            "stages_done": list(run.results),
            "champion": run.results.get(RECONCILE.name, run.results.get("world", {})).get("champion", ""),
        }
        for run in runs
    ]
    if as_json:
        typer.echo(json.dumps({"runs": rows, **status}, ensure_ascii=False, indent=2))
        return
    table = Table(title=f"Runs in {workdir}", title_justify="left")
    for column in ("run", "outcome", "method", "seed", "last stage", "champion"):
        table.add_column(column)
    for row in rows:
        done = row["stages_done"]
        table.add_row(row["run_id"], row["outcome"], row["method"], str(row["seed"]), done[-1] if done else "-", row["champion"] or "-")
    console = Console()
    if rows:
        console.print(table)
    for name, ref in tables.items():
        console.print(f"  {name:<12} {status['rows'][name]:>12,} rows  {ref}")
    for name in ("champion", "candidate", "previous", "pinned"):
        console.print(f"  {name:<12} {status[name] or '-'}")


def show_report(workdir: Path, run_id: str, *, as_json: bool) -> None:
    """Print the key figures of a run and where its HTML report lies.

    Raises:
        DataError: the run does not exist or has not ended.
    """
    store = RunStore(workdir)
    finished = [known for known in store.ids() if (store.path(known) / "report.json").exists()]
    chosen = run_id or (finished[-1] if finished else "")
    path = store.path(chosen) / "report.json"
    if not chosen or not path.exists():
        raise DataError(f"{workdir} has no finished run{' ' + run_id if run_id else ''}: run ctp run first (ctp status lists runs)")
    text = path.read_text(encoding="utf-8")
    if as_json:
        typer.echo(text)
        return
    print_summary(Console(), read_report(path), path.with_suffix(".html"))
