"""`ctp`: the command line. Commands are data: the module of one is loaded when it is called, so that `ctp --help` stays quick."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import typer
from typer.core import TyperGroup

from steps.contract.errors import EXIT_BUG, EXIT_USAGE, PipelineError, classify


@dataclass(frozen=True)
class Command:
    """A command of `ctp`.

    Attributes:
        name: as people type it.
        target: `module:function`, or `module:app` of a group.
        help: one line.
        settings: of the command's context.
    """

    name: str
    target: str
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """The command, its module imported."""
        module, _, name = self.target.partition(":")
        target = getattr(importlib.import_module(module), name)
        if not isinstance(target, typer.Typer):
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
            app.command(self.name, context_settings=dict(self.settings) or None)(target)
            target = app
        return typer.main.get_command(target)


# `ctp step` hands unknown words to the step.
_OPEN = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
COMMANDS: tuple[Command, ...] = (
    Command("run", "steps.cli.run:run", "Run the whole loop on embedded parts."),
    Command("step", "steps.cli.step:step", "Run one step of the pipeline.", _OPEN),
    Command("status", "steps.cli.look:status", "Show runs, tables, champion, candidate and released model."),
    Command("report", "steps.cli.look:report", "Print where the report of a run lies, and its key figures."),
    Command("bootstrap", "steps.cli.run:bootstrap", "Register and pin the first model where none serves yet."),
    Command("traffic", "steps.cli.run:traffic", "Let the sample domain's users ask the champion."),
    Command("config", "steps.cli.look:show_config", "Print every effective configuration value."),
    Command("doctor", "steps.cli.operate:doctor", "Check configuration, services, credentials and cluster."),
    Command("cost", "steps.cli.look:cost", "Print what a run or a month has cost."),
    Command("lineage", "steps.cli.look:lineage", "Print what a registered model was made of."),
    Command("reproduce", "steps.cli.operate:reproduce", "Make the training file of a model again, byte for byte."),
    Command("rollback", "steps.cli.operate:rollback", "Put an earlier model version back."),
    Command("trace", "steps.cli.look:trace", "Print what became of one trace."),
    Command("erase", "steps.cli.operate:erase", "Take one user's data out of the lake, and keep it out."),
    Command("fetch-model", "steps.cli.operate:fetch_model", "Download a model and verify it."),
    Command("game-day", "steps.cli.game_day:game_day", "Release a bad version and time its rollback."),
    Command("serve", "steps.cli.serve:serve", "Run one of the servers of the loop."),
)


class LazyGroup(TyperGroup):
    """A group whose commands are loaded when they are called. Typer brings a click of its own, whose types have no public name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command; None where there is none of that name."""
        return next((command.load() for command in COMMANDS if command.name == cmd_name), None)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write names and help without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(command.name, command.help) for command in COMMANDS])


app = typer.Typer(
    cls=LazyGroup, name="ctp", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def ctp() -> None:
    """Continuous training pipeline: production traces become a better model, safely."""


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
