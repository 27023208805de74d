"""Operators' commands of `ctp`: thin wrappers of steps and the registry."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from steps.cli.options import DEFAULT_WORKDIR, LAPTOP, ConfigOption, JsonOption, SetOption, WorkdirOption, emit, load_settings, show
from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import UsageError
from steps.contract.runtime import run_step
from steps.contract.spec import SILENT, Progress, StepContext
from steps.govern.identity import keyed_hash, load_key
from steps.laptop.approve import approver_name
from steps.laptop.progress import ConsoleProgress
from steps.operate.doctor.finding import worst_exit_code
from steps.operate.doctor.monitoring import analysis_address
from steps.operate.doctor.report import examine
from steps.operate.doctor.report import show as show_findings
from steps.operate.doctor.source_sample import try_source
from steps.operate.reproduce import reproduce as reproduce_dataset
from steps.store.models import fetch_model as fetch


def erase(
    user: Annotated[str, typer.Option(help="User id as the traces carry it; it is hashed at once and written nowhere.")],
    hash_only: Annotated[bool, typer.Option("--hash-only", help="Only print the keyed hash, for the workflow erase-user.")] = False,
    requested_by: Annotated[str, typer.Option(help="Who asked for it, for the record.")] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take one user's data out of the lake, down to the bytes, and keep it out."""
    settings = load_settings(config, overrides, LAPTOP)
    if hash_only:
        typer.echo(keyed_hash(load_key(settings.govern, workdir.resolve()), user))
        return
    _run_as_command("erase", {"user": user, "requested_by": requested_by}, settings, workdir, as_json=as_json)


def rollback(
    to: Annotated[int, typer.Option(help="Version to put back; 0: the champion before this one.", min=0)] = 0,
    approved_by: Annotated[str, typer.Option(help="Who decided it; default: your login name.", show_default=False)] = "",
    reason: Annotated[str, typer.Option(help="One line for the commit and the record.")] = "rolled back by hand",
    abort: Annotated[bool, typer.Option("--abort", help="Abort a canary through the Kubernetes API at once, before Git.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the Rollout is healthy with the version.", min=0)] = 0,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an earlier model version back: pin it in Git and make it champion. During a canary: the champion."""
    params = {"to": to, "approved_by": approved_by or approver_name(), "reason": reason, "abort": abort, "wait_s": wait}
    result = _run_as_command("rollback", params, load_settings(config, overrides, LAPTOP), workdir, as_json=as_json)
    for line in [*(result.timeline.lines() if result.timeline else ()), result.warning]:
        typer.echo(line, err=True)


def reproduce(
    model: Annotated[str, typer.Argument(help="MODEL@VERSION, as in agent-model@3.")],
    to: Annotated[Path | None, typer.Option(help="The file to write; default: among the artifacts.", show_default=False)] = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the training file of a model again, byte for byte; exit code 65 when that is not possible or other bytes come out."""
    result = reproduce_dataset(load_settings(config, overrides, LAPTOP), workdir.resolve(), model, to, _progress(as_json=as_json))
    show(result.model_dump(mode="json"), as_json=as_json)


def fetch_model(
    to: Annotated[Path, typer.Option(help="Folder that will hold it; made whole or not at all, and no mount point itself.")],
    uri: Annotated[str, typer.Option(help="Where the model is: file:///… or s3://…, as the pin says.", show_default=False)] = "",
    sha256: Annotated[str, typer.Option(help="Digest of its files, as the pin says.", show_default=False)] = "",
    model: Annotated[str, typer.Option(help="Both in one, as steps pass it on: URI#sha256:DIGEST.", show_default=False)] = "",
    as_json: JsonOption = False,
) -> None:
    """Download a model and verify it; what is there already is not fetched again. For init containers."""
    if bool(model) == bool(uri or sha256):
        raise UsageError("which model? give --uri and --sha256, or --model URI#sha256:DIGEST")
    if model:
        uri, _, sha256 = model.rpartition("#sha256:")
    if not uri:
        raise UsageError("where is the model? give --uri, or --model URI#sha256:DIGEST")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise UsageError(f"--sha256 {sha256[:80]!r}: give the 64 hex digits of the pin")
    fetched = fetch(uri, sha256, to.absolute(), _progress(as_json=as_json))
    if as_json:
        emit({"to": str(to), "fetched": fetched, "sha256": sha256})
    else:
        typer.echo(f"{to}: {'fetched' if fetched else 'there already'}, sha256:{sha256}")


def doctor(
    source: Annotated[str, typer.Option(help="Only try a sample of this source: what share becomes rows, and what is missing.")] = "",
    prometheus: Annotated[
        str, typer.Option(help="Prometheus that the analyses ask, as seen from here; default: what the values of --config say.")
    ] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, services, credentials and cluster; one line each, with the remedy."""
    settings = load_settings(config, overrides)
    if source:
        show(try_source(settings, source), as_json=as_json)
        return
    findings = examine(settings, workdir.resolve(), prometheus or analysis_address(config), _progress(as_json=as_json))
    if as_json:
        emit([finding.model_dump(mode="json") for finding in findings])
    else:
        show_findings(findings)
    sys.exit(worst_exit_code(findings))


def _progress(*, as_json: bool) -> Progress:
    """Progress on standard error, where results are not; silent for machines."""
    return SILENT if as_json else ConsoleProgress(Console(stderr=True))


def _run_as_command(name: str, params: dict[str, Any], settings: PipelineConfig, workdir: Path, *, as_json: bool) -> Any:
    """Run a step for a person, print its result and return it."""
    run_id = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    ctx = StepContext(config=settings, run_id=run_id, workdir=workdir.resolve(), progress=_progress(as_json=as_json))
    result = run_step(find_step(name), params, ctx)
    show(result.model_dump(mode="json"), as_json=as_json)
    return result
