"""The loop's nodes as `ctp run` walks them, over traces that are there already: a process of its own for `test_processes`.

World and traffic are those of `ctp bootstrap` and `ctp traffic`; what is left out waits for a canary.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from steps.contract.config import load_config
from steps.contract.workflows import find_workflow
from steps.laptop import bootstrap
from steps.laptop.interpreter import Interpreter
from steps.laptop.runner import WORKFLOW, Run


def main(workdir: Path, config_file: Path, raw: Path) -> None:
    """Print the result of every node as one JSON object."""
    config, workflow = load_config(config_file), find_workflow(WORKFLOW)
    with bootstrap.open_services(config, workdir) as services:
        services.spool = raw
        loop = bootstrap.make_loop(config, workdir, services, "local", 0, True)
        loop.state.results["world"] = bootstrap.read_standing(loop)
        nodes = tuple(node for node in workflow.at("laptop") if node in workflow.at("argo"))
        reached_end = Interpreter(nodes, loop.state.results, Run(loop), workflow.stands_for).run()
    print(json.dumps({"reached_end": reached_end, **loop.state.results}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
