"""The command line as data: every command loads, explains itself, and prints for machines with --json."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from steps.cli.main import COMMANDS, app

COMMAND_NAMES = [command.name for command in COMMANDS]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_loads_and_takes_json(command):
    loaded = command.load()
    assert loaded.help and command.help.endswith(".")
    if command.name == "serve":
        assert set(loaded.commands) == {"judge", "model", "gateway", "quality"}
    else:
        assert "--json" in {option for parameter in loaded.params for option in parameter.opts}


def test_an_unknown_command_is_no_bug():
    done = CliRunner().invoke(app, ["nonsense"])
    assert done.exit_code == 2 and "nonsense" in done.output


def test_a_step_explains_its_parameters():
    done = CliRunner().invoke(app, ["step", "label-shard", "--help"])
    assert done.exit_code == 0
    for words in ("--shards  (int, at least 1, at most 256, required)", "how many shards there are", "--since", "default none", "Results:"):
        assert words in done.output
