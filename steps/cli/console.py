"""What people see in the terminal: step help, status, the report's key figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from steps.contract.errors import DataError
from steps.contract.pipeline import RECONCILE

if TYPE_CHECKING:
    from steps.contract.config import PipelineConfig


def list_steps() -> None:
    """Print every step with its summary."""
    from steps.contract.catalog import ALL_STEPS

    typer.echo("Steps (ctp step NAME --help shows the parameters):")
    for spec in ALL_STEPS:
        typer.echo(f"  {spec.name:<16}{spec.summary}")


def describe_step(name: str) -> None:
    """Print a step's parameters and results."""
    from steps.contract.catalog import find_step

    spec = find_step(name)
    params, result, _ = spec.load()
    typer.echo(f"ctp step {spec.name}: {spec.summary}\n")
    for title, model in (("Parameters", params), ("Results", result)):
        typer.echo(f"{title}:")
        for key, field in model.model_fields.items():
            shown = f"--{key.replace('_', '-')}" if title == "Parameters" else key
            need = " (required)" if title == "Parameters" and field.is_required() else ""
            typer.echo(f"  {shown:<24}{_type_name(field.annotation)}{need}  {field.description or ''}".rstrip())


def _type_name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "").replace("steps.contract.refs.", "")


def show_status(config: PipelineConfig, workdir: Path, *, as_json: bool) -> None:
    """Print runs, tables, aliases and pin of a work folder, or of the services that the configuration names.

    Raises:
        DataError: there is neither a run nor a lake.
    """
    from steps.laptop.state import RunStore
    from steps.operate.status import overview

    store = RunStore(workdir)
    runs = [store.load(run_id) for run_id in store.ids()]
    elsewhere = config.lake.catalog != "sql" or config.lake.uri
    if not runs and not elsewhere and not any((workdir / part).exists() for part in ("lake", "mlflow")):
        raise DataError(f"{workdir} holds no run: start one with ctp run --workdir {workdir}")
    found = overview(config, workdir)
    tables = found["tables"]
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
        typer.echo(json.dumps({"runs": rows, **found}, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

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
        console.print(f"  {name:<12} {found['rows'][name]:>12,} rows  {ref}")
    for name in ("champion", "candidate", "previous", "pinned"):
        console.print(f"  {name:<12} {found[name] or '-'}")


def show_report(workdir: Path, run_id: str, *, as_json: bool) -> None:
    """Print the key figures of a run and where its HTML report lies.

    Raises:
        DataError: the run does not exist or has not ended.
    """
    from steps.laptop.state import RunStore

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
    from rich.console import Console

    from steps.laptop.report.record import read_report
    from steps.laptop.summary import print_summary

    print_summary(Console(), read_report(path), path.with_suffix(".html"))
