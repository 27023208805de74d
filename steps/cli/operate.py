"""Operators' commands of `ctp`: thin wrappers of steps and the registry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steps.cli.options import DEFAULT_WORKDIR, LAPTOP, ConfigOption, JsonOption, SetOption, WorkdirOption, emit
from steps.cli.options import settings as load

if TYPE_CHECKING:
    from steps.contract.config import PipelineConfig


def add_commands(app: typer.Typer) -> None:
    """Add them to the command line, in this order."""
    for command in (erase, rollback, lineage, reproduce, fetch_model, cost, doctor):
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
    reason: Annotated[str, typer.Option(help="One line for the commit and the record.")] = "rolled back by hand",
    abort: Annotated[bool, typer.Option("--abort", help="Abort a canary through the Kubernetes API at once, before Git.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the Rollout is healthy with the version.", min=0)] = 0,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Put an earlier model version back: pin it in Git and make it champion. During a canary: the champion."""
    from steps.laptop.approve import approver_name

    given = {"to": to, "approved_by": approved_by or approver_name(), "reason": reason, "abort": abort, "wait_s": wait}
    result = _run_as_command("rollback", given, load(config, overrides, LAPTOP), workdir)
    for line in [*(result.timeline.lines() if result.timeline else ()), result.warning]:
        typer.echo(line, err=True)


def lineage(
    model: Annotated[str, typer.Argument(help="MODEL or MODEL@VERSION; without a version: the champion.")],
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Print what a registered model was made of."""
    from steps.registry.lineage import describe

    emit(describe(load(config, overrides, LAPTOP), workdir.resolve(), model))


def reproduce(
    model: Annotated[str, typer.Argument(help="MODEL@VERSION, as in agent-model@3.")],
    to: Annotated[Path | None, typer.Option(help="The file to write; default: among the artifacts.", show_default=False)] = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Make the training file of a model again, byte for byte; exit code 65 when that is not possible or other bytes come out."""
    from steps.operate.reproduce import reproduce as again

    emit(again(load(config, overrides, LAPTOP), workdir.resolve(), model, to).model_dump(mode="json"))


def fetch_model(
    to: Annotated[Path, typer.Option(help="Folder that will hold it; made whole or not at all, and no mount point itself.")],
    uri: Annotated[str, typer.Option(help="Where the model is: file:///… or s3://…, as the pin says.", show_default=False)] = "",
    sha256: Annotated[str, typer.Option(help="Digest of its files, as the pin says.", show_default=False)] = "",
    model: Annotated[str, typer.Option(help="Both in one, as steps pass it on: URI#sha256:DIGEST.", show_default=False)] = "",
) -> None:
    """Download a model and verify it; what is there already is not fetched again. For init containers."""
    import re

    from steps.contract.errors import UsageError
    from steps.store.models import fetch_model as fetch

    if bool(model) == bool(uri or sha256):
        raise UsageError("which model? give --uri and --sha256, or --model URI#sha256:DIGEST")
    if model:
        uri, _, sha256 = model.rpartition("#sha256:")
    if not uri:
        raise UsageError("where is the model? give --uri, or --model URI#sha256:DIGEST")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise UsageError(f"--sha256 {sha256[:80]!r}: give the 64 hex digits of the pin")
    fetched = fetch(uri, sha256, to.absolute())
    typer.echo(f"{to}: {'fetched' if fetched else 'there already'}, sha256:{sha256}")


def cost(
    run_id: Annotated[str, typer.Option("--run", help="Bill of this run; default: the month's.", show_default=False)] = "",
    month: Annotated[str, typer.Option(help="Bill of this UTC month, as in 2026-05; default: this month.", show_default=False)] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a run or a month has cost, by stage, and what is left of the budget."""
    from steps.operate.cost.command import print_bill, read_bill

    found, spent = read_bill(load(config, overrides, LAPTOP), workdir.resolve(), run_id=run_id, month=month)
    if as_json:
        emit(found.model_dump(mode="json") | {"month": spent.model_dump(mode="json")})
        return
    from rich.console import Console

    print_bill(Console(), found, spent)


def doctor(
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, services, credentials and cluster; one line each, with the remedy."""
    from steps.operate.doctor.finding import worst_exit_code
    from steps.operate.doctor.report import examine, show

    findings = examine(load(config, overrides), workdir.resolve())
    if as_json:
        emit([finding.model_dump(mode="json") for finding in findings])
    else:
        show(findings)
    sys.exit(worst_exit_code(findings))


def _run_as_command(name: str, params: dict[str, Any], settings: PipelineConfig, workdir: Path) -> Any:
    """Run a step for a person, print its result and return it."""
    from datetime import UTC, datetime

    from steps.contract.catalog import find_step
    from steps.contract.runtime import run_step
    from steps.contract.spec import StepContext

    run_id = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    ctx = StepContext(config=settings, run_id=run_id, workdir=workdir.resolve())
    result = run_step(find_step(name), params, ctx)
    typer.echo(result.model_dump_json(indent=2))
    return result
