"""`ctp`: the command line, built on the step catalog. Bodies only parse and call.

Heavy modules are imported inside the commands, so that `ctp --help` stays quick.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from steps.cli import operate as cli_operators
from steps.cli import serve as cli_serve
from steps.cli.options import DEFAULT_WORKDIR, LAPTOP, ConfigOption, JsonOption, SetOption, WorkdirOption
from steps.cli.options import emit as _emit
from steps.cli.options import settings as _config
from steps.contract.errors import EXIT_BUG, EXIT_USAGE, PipelineError, UsageError, classify

app = typer.Typer(
    name="ctp",
    help="Continuous training pipeline: production traces become a better model, safely.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_serve.serve, name="serve")


def _from_file(word: str) -> str:
    """Argo writes a word above 128 KiB to a file: the failures of a wide fan-out come to that.

    Source: Argo Workflows v4.1.2, runEmissary in cmd/argoexec/commands/emissary.go.
    """
    try:
        return Path(word[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{word!r}: no such file; parameters are written --name=value") from error


def _split_params(arguments: list[str]) -> dict[str, str]:
    """`--key=value` and `--key value` words become parameters; `@file` is a word that was too long for an argument.

    Raises:
        UsageError: a word is neither, or there is no such file.
    """
    params: dict[str, str] = {}
    words = iter([_from_file(word) if word.startswith("@") else word for word in arguments])
    for word in words:
        if not word.startswith("--"):
            raise UsageError(f"{word!r}: parameters are written --name=value")
        name, mark, value = word[2:].partition("=")
        if not mark:
            following = next(words, None)
            if following is None:
                raise UsageError(f"{word}: a value must follow")
            value = following
        params[name.replace("-", "_")] = value
    return params


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def step(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Step to run; `ctp step help` lists them.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    run_id: Annotated[str, typer.Option(help="Run that the step belongs to.")] = "manual",
    result_file: Annotated[Path | None, typer.Option(help="Write the result JSON here, atomically.", show_default=False)] = None,
    outputs_dir: Annotated[Path | None, typer.Option(help="Write each result field to its own file here.", show_default=False)] = None,
) -> None:
    """Run one step of the pipeline; its parameters follow as --name=value."""
    from steps.cli.console import describe_step, list_steps

    if name in {"help", "--help"}:
        list_steps()
        return
    if {"--help", "-h"} & set(context.args):
        describe_step(name)
        return
    from steps.contract.catalog import find_step
    from steps.contract.runtime import run_step
    from steps.contract.spec import StepContext

    settings = _config(config, overrides)
    ctx = StepContext(config=settings, run_id=run_id, workdir=workdir.resolve())
    result = run_step(find_step(name), _split_params(context.args), ctx, result_file, outputs_dir)
    if result_file is None:
        typer.echo(result.model_dump_json(indent=2))


@app.command()
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
    from steps.laptop.command import run_loop

    extra = list(overrides or ())
    if method is not None:
        extra.append(f"train.method={method}")
    settings = _config(config, extra, LAPTOP)
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


@app.command()
def status(
    workdir: WorkdirOption = DEFAULT_WORKDIR, config: ConfigOption = None, overrides: SetOption = None, as_json: JsonOption = False
) -> None:
    """Show runs, tables, champion, candidate and released model."""
    from steps.cli.console import show_status

    show_status(_config(config, overrides, LAPTOP), workdir.resolve(), as_json=as_json)


@app.command()
def bootstrap(
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    seed: Annotated[int, typer.Option(help="Seed of the sample domain and its first model.", min=0)] = 0,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register and pin the first model where none serves yet, and write the sample domain's golden questions."""
    from steps.laptop.bootstrap import bootstrap as begin

    result = begin(_config(config, overrides, LAPTOP), workdir.resolve(), seed=seed, quiet=as_json)
    _emit(result) if as_json else typer.echo("\n".join(f"{key}: {value}" for key, value in result.items()))


@app.command()
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
    settings, folder = _config(config, overrides, LAPTOP), workdir.resolve()
    if gateway:
        from steps.laptop.visitors import visit

        result = visit(settings, folder, gateway=gateway, to=to.resolve(), name=name, seconds=seconds, users=users, pause_s=pause_s)
    else:
        from steps.laptop.bootstrap import traffic as ask

        result = ask(settings, folder, to=to.resolve(), name=name, quiet=as_json)
    _emit(result) if as_json else typer.echo("\n".join(f"{key}: {value}" for key, value in result.items()))


@app.command()
def report(
    run_id: Annotated[str, typer.Argument(help="Run to show; default: the newest.")] = "",
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    as_json: JsonOption = False,
) -> None:
    """Print where the HTML report of a run lies, and its key figures."""
    from steps.cli.console import show_report

    show_report(workdir.resolve(), run_id, as_json=as_json)


@app.command("config")
def show_config(config: ConfigOption = None, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Print every effective configuration value."""
    settings = _config(config, overrides)
    if as_json:
        _emit(settings.model_dump(mode="json"))
        return
    import yaml

    typer.echo(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)


cli_operators.add_commands(app)


def _silence_libraries() -> None:
    """Progress bars and notices of libraries do not belong on a user's terminal."""
    os.environ.setdefault("RAGAS_DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


def main() -> None:
    """Entry point: run a command and map errors to the documented exit codes."""
    _silence_libraries()
    try:
        app(standalone_mode=False)
    except PipelineError as error:
        _fail(error)
    except KeyboardInterrupt:
        typer.echo("Interrupted: run the same command again to continue.", err=True)
        sys.exit(130)
    except Exception as error:
        known = classify(error)
        if known is not None:
            _fail(known)
        if type(error).__module__.startswith(("click", "typer")):
            _fail_usage(error)
        if os.environ.get("CTP_TRACEBACK"):
            traceback.print_exc()
        typer.echo(f"Internal error: {type(error).__name__} (set CTP_TRACEBACK=1 to see where, and report it)", err=True)
        sys.exit(EXIT_BUG)


def _fail(error: PipelineError) -> None:
    if os.environ.get("CTP_TRACEBACK"):
        traceback.print_exc()
    typer.echo(f"{error.headline}: {error}", err=True)
    sys.exit(error.exit_code)


def _fail_usage(error: Exception) -> None:
    message = getattr(error, "format_message", lambda: str(error))()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message)
        sys.exit(EXIT_USAGE)
    if type(error).__name__ == "Exit":
        sys.exit(getattr(error, "exit_code", 0))
    if type(error).__name__ == "Abort":
        sys.exit(130)
    typer.echo(f"Usage error: {message}", err=True)
    sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
