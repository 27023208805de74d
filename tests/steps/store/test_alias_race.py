"""Two processes that promote at the same moment, against a real SQLite registry: one wins, the other says expected and found."""

from __future__ import annotations

import subprocess
import sys

from steps.store import aliases as alias

PROMOTE = """
import sys, time
from pathlib import Path
from steps.contract.config import PipelineConfig
from steps.store.registry import open_registry
from steps.contract.errors import PipelineError
from steps.store import aliases

uri, name, version, expected, go = sys.argv[1:]
config = PipelineConfig.model_validate({"model_name": name, "registry": {"tracking_uri": uri}})
client = open_registry(config, Path("."))
client.aliases(name)
print("ready", flush=True)
sys.stdin.readline()
try:
    aliases.promote(client, name, int(version), int(expected))
    print("won")
except PipelineError as error:
    print(f"lost: {error}")
"""


def test_of_two_processes_one_wins_and_the_other_names_what_it_found(client, config, registry_uri, make_version):
    name, first = config.model_name, make_version()
    alias.promote(client, name, first, None)
    rivals = [make_version(), make_version()]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTE, registry_uri, name, str(version), str(first), ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for version in rivals
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert sorted(text[:4] for text in said) == ["lost", "won"]
    winner, loser = (said.index("won"), 1 - said.index("won"))
    assert f"champion expected version {first}, found version {rivals[winner]}" in said[loser]
    assert client.aliases(name) == {"champion": rivals[winner], "previous": first}
