"""The pipeline's stages as `ctp run` walks them, over traces that are there already: a process of its own for `test_processes`.

World and traffic are those of `ctp bootstrap` and `ctp traffic`; the canary is no part of a workflow.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from steps.contract.config import load_config
from steps.laptop import bootstrap, runner
from steps.laptop.state import Clock


def main(workdir: Path, config_file: Path, raw: Path) -> None:
    """Print the result of every stage as one JSON object."""
    config = load_config(config_file)
    with bootstrap._services(config, workdir) as services:
        services.spool = raw
        loop = bootstrap._loop(config, workdir, services, "local", 0, True)
        loop.state.results["world"] = bootstrap._standing(loop)
        reached_end = runner._walk(loop, Clock(loop.state))
    print(json.dumps({"reached_end": reached_end, **loop.state.results}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
