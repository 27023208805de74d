"""`ctp game-day`: release a bad version to a real cluster and time its rollback (docs/runbooks/game-day.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from steps.cli.options import DEFAULT_WORKDIR, ConfigOption, JsonOption, SetOption, WorkdirOption, emit, load_settings
from steps.contract.errors import DataError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.spec import StepContext
from steps.operate.game_day import Game, register_bad, sabotage
from steps.release.incident import EVENT_TEXTS
from steps.store.aliases import model_uri, taken_back
from steps.store.registry import open_registry


def game_day(
    approved_by: Annotated[str, typer.Option(help="Who plays; signs the release off.")],
    fault_version: Annotated[int, typer.Option(help="A registered version that is bad; 0: another option says.", min=0)] = 0,
    artifact: Annotated[str, typer.Option(help="A bad model as URI#sha256:DIGEST; it is registered.")] = "",
    break_champion: Annotated[bool, typer.Option("--break-champion", help="Break a copy of the champion on this machine.")] = False,
    reconcile: Annotated[bool, typer.Option("--reconcile", help="Reconcile here: the schedule is suspended, as in kind.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds until the abort at most.", min=1)] = 3600,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release a bad version, wait for the abort, print the timeline; exit code 1 when it took too long."""
    ctx = StepContext(load_settings(config, overrides), f"game-day-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", workdir.resolve())
    if fault_version:
        bad, client = ModelRef(name=ctx.config.model_name, version=fault_version), open_registry(ctx.config, ctx.workdir)
        files = model_uri(client, bad)
        if taken_back(client.tags(bad.name, bad.version)):
            bad = register_bad(ctx, files)
    elif artifact or break_champion:
        files = ArtifactRef.model_validate(artifact) if artifact else sabotage(ctx)
        bad = register_bad(ctx, files)
    else:
        raise DataError("which model is bad? give --fault-version, --artifact or --break-champion")
    line = Game(ctx, partial(typer.echo, err=as_json), timeout, reconcile).play(bad, files, approved_by)
    late = line.warning()
    if as_json:
        emit(line.model_dump(mode="json") | {"warning": late})
        raise typer.Exit(1 if late else 0)
    for text in line.lines():
        typer.echo(text)
    typer.echo(late or f"held: {EVENT_TEXTS['pin_reverted']} and all traffic back within {line.limit_s:.0f} s of the breach")
    raise typer.Exit(1 if late else 0)
