"""Operators' commands of `ctp`: thin wrappers of steps and the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steps.cli_options import DEFAULT_WORKDIR, LAPTOP, ConfigOption, SetOption, WorkdirOption, emit
from steps.cli_options import settings as load

if TYPE_CHECKING:
    from steps.config import PipelineConfig


def add_commands(app: typer.Typer) -> None:
    """Add them to the command line, in this order."""
    for command in (erase, rollback, lineage):
        app.command()(command)


def erase(
    user: Annotated[str, typer.Option(help="User id as the traces carry it; it is hashed at once and written nowhere.")],
    hash_only: Annotated[bool, typer.Option("--hash-only", help="Only print the keyed hash, for the workflow erase-user.")] = False,
    requested_by: Annotated[str, typer.Option(help="Who asked for it, for the record.")] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Take one user's data out of the lake, down to the bytes, and keep it out."""
    settings = load(config, overrides, LAPTOP)
    if hash_only:
        from steps.govern.identity import keyed_hash, load_key

        typer.echo(keyed_hash(load_key(settings.govern, workdir.resolve()), user))
        return
    _run_as_command("erase", {"user": user, "requested_by": requested_by}, settings, workdir)


def rollback(
    to: Annotated[int, typer.Option(help="Version to put back; 0: the champion before this one.", min=0)] = 0,
    approved_by: Annotated[str, typer.Option(help="Who decided it; default: your login name.", show_default=False)] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Put an earlier model version back: pin it in Git and make it champion."""
    from steps.local.approve import approver_name

    _run_as_command("rollback", {"to": to, "approved_by": approved_by or approver_name()}, load(config, overrides, LAPTOP), workdir)


def lineage(
    model: Annotated[str, typer.Argument(help="MODEL or MODEL@VERSION; without a version: the champion.")],
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Print what a registered model was made of."""
    from steps.registry.lineage import describe

    emit(describe(load(config, overrides, LAPTOP), workdir.resolve(), model))


def _run_as_command(name: str, params: dict[str, Any], settings: PipelineConfig, workdir: Path) -> None:
    """Run a step for a person and print its result."""
    from datetime import UTC, datetime

    from steps.catalog import find_step
    from steps.core.runtime import run_step
    from steps.core.spec import StepContext

    run_id = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    ctx = StepContext(config=settings, run_id=run_id, workdir=workdir.resolve())
    typer.echo(run_step(find_step(name), params, ctx).model_dump_json(indent=2))
