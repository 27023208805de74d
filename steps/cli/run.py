"""`ctp run`, `ctp bootstrap`, `ctp traffic`: the loop on embedded parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steps.cli.options import DEFAULT_WORKDIR, LAPTOP, ConfigOption, JsonOption, SetOption, WorkdirOption, load_settings, show
from steps.laptop import bootstrap as starting
from steps.laptop.command import run_loop
from steps.laptop.visitors import visit


def run(
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    method: Annotated[str | None, typer.Option(help="dpo or grpo; default: the configuration's.", show_default=False)] = None,
    source: Annotated[list[str] | None, typer.Option(help="Trace file or folder to ingest too; repeatable.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the world, the users and the training.", min=0)] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Approve training and deployment automatically; it is recorded as such.")] = False,
    sabotage: Annotated[
        bool, typer.Option("--sabotage", help="Make the candidate worse after the gate, to watch the canary abort.")
    ] = False,
    max_cost_usd: Annotated[
        float, typer.Option(help="End the run as rejected if its training is estimated above this; 0: no limit.", min=0)
    ] = 0,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole loop on embedded parts; the same command again resumes a killed run."""
    extra = list(overrides or ())
    if method is not None:
        extra.append(f"train.method={method}")
    settings = load_settings(config, extra, LAPTOP)
    report = run_loop(
        settings,
        workdir.resolve(),
        sources=tuple(source or ()),
        seed=seed,
        yes=yes,
        sabotage=sabotage,
        quiet=as_json,
        max_cost_usd=max_cost_usd,
    )
    if as_json:
        typer.echo(report)


def bootstrap(
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    seed: Annotated[int, typer.Option(help="Seed of the sample domain and its first model.", min=0)] = 0,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register and pin the first model where none serves yet, and write the sample domain's golden questions."""
    result = starting.bootstrap(load_settings(config, overrides, LAPTOP), workdir.resolve(), seed=seed, quiet=as_json)
    show(result, as_json=as_json)


def traffic(
    to: Annotated[Path, typer.Option(help="Folder for the OTLP span files; a trace source of the next ingest.")],
    name: Annotated[str, typer.Option(help="Part of every trace id: the same name asks the same again.")] = "traffic",
    gateway: Annotated[str, typer.Option(help="URL of a running gateway to ask, for --seconds, in place of a server of our own.")] = "",
    seconds: Annotated[float, typer.Option(help="With --gateway: how long.", min=0.1)] = 60,
    users: Annotated[int, typer.Option(help="With --gateway: how many people ask.", min=1)] = 6,
    pause_s: Annotated[float, typer.Option(help="With --gateway: how long each thinks before the next question.", min=0)] = 0.2,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the sample domain's users ask the champion, to have traces where no real user is."""
    settings, folder = load_settings(config, overrides, LAPTOP), workdir.resolve()
    if gateway:
        result = visit(settings, folder, gateway=gateway, to=to.resolve(), name=name, seconds=seconds, users=users, pause_s=pause_s)
    else:
        result = starting.traffic(settings, folder, to=to.resolve(), name=name, quiet=as_json)
    show(result, as_json=as_json)
