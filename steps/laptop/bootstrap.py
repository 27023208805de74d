"""Starting a loop without a run: the first model, and traffic to learn from.

`ctp bootstrap` and `ctp traffic` use the stages of `ctp run`, so that a cluster begins as
a laptop does. Both may be repeated; neither moves a pin or an alias that stands already.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from steps.cluster.process import thread_environment
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.files import read_json, sha256_file
from steps.contract.refs import ArtifactRef
from steps.laptop import embedded
from steps.laptop.loop import Loop
from steps.laptop.progress import ConsoleProgress
from steps.laptop.services import Services
from steps.laptop.state import RunState, RunStore, workdir_lock
from steps.laptop.world.domain import the_world
from steps.laptop.world.golden import write_golden
from steps.release.change import current_pin
from steps.store.aliases import champion, model_uri
from steps.store.registry import open_registry


def bootstrap(config: PipelineConfig, workdir: Path, *, seed: int, quiet: bool) -> dict[str, Any]:
    """Make the golden questions, and where nothing serves yet, register and pin the first model.

    The model is `world.base_model`, or the embedded one that is warmed up here.

    Returns:
        `golden` and `champion_artifact` as references with digests, `champion`, `world_seed`, `changed`.

    Raises:
        PipelineError: with its exit code; the same call goes on.
    """
    with workdir_lock(workdir), open_services(config, workdir) as services:
        loop = make_loop(config, workdir, services, "bootstrap", seed, quiet)
        before = read_standing(loop)
        if before is not None:
            return before | {"changed": False}
        built = embedded.build_world(loop)
    return {key: built[key] for key in ("world_seed", "golden", "champion", "champion_artifact")} | {"changed": True}


def traffic(config: PipelineConfig, workdir: Path, *, to: Path, name: str, quiet: bool) -> dict[str, Any]:
    """Let the simulated users ask the champion once; their spans are left in `to`.

    Args:
        config: the pipeline's configuration.
        workdir: a folder that was bootstrapped.
        to: folder of the OTLP files, made if needed; a source of the next ingest.
        name: part of every trace id; the same name asks the same again, another name anew.
        quiet: print nothing.

    Raises:
        DataError: the folder was not bootstrapped.
        PipelineError: a server did not start or died.
    """
    with workdir_lock(workdir), open_services(config, workdir) as services:
        to.mkdir(parents=True, exist_ok=True)
        services.spool = to
        loop = make_loop(config, workdir, services, name, 0, quiet)
        standing = read_standing(loop)
        if standing is None:
            raise DataError(f"{workdir}: no model serves yet: run ctp bootstrap --workdir {workdir} first")
        loop.state.results["world"] = standing
        counts = embedded.make_traffic(loop)
    return counts | {"champion": standing["champion"], "folder": str(to)}


def open_services(config: PipelineConfig, workdir: Path) -> Services:
    """The servers of a loop without a run."""
    for name, value in thread_environment().items():
        os.environ.setdefault(name, value)
    return Services(config, workdir)


def make_loop(config: PipelineConfig, workdir: Path, services: Services, run_id: str, seed: int, quiet: bool) -> Any:
    """What the stages of a run share, for a run of one stage."""
    console = Console(stderr=quiet, quiet=quiet)
    state = RunState(
        run_id=run_id,
        seed=seed,
        method=config.train.method,
        sabotage=False,
        sources=(),
        config_hash=config.digest(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Loop(config, workdir, state, RunStore(workdir), services, console, ConsoleProgress(console), True)


def read_standing(loop: Any) -> dict[str, Any] | None:
    """The golden questions and the champion; None unless all of it is there and something is pinned."""
    if not (loop.workdir / "world.json").exists():
        return None
    seed = read_json(loop.workdir / "world.json")["seed"]
    client = open_registry(loop.config, loop.workdir)
    serving = champion(client, loop.config.model_name)
    if serving is None or current_pin(loop.ctx).ref is None:
        return None
    golden = write_golden(the_world(loop.workdir), loop.workdir / "artifacts" / "golden" / f"world-{seed}.jsonl")
    return {
        "world_seed": seed,
        "golden": str(ArtifactRef(uri=golden.absolute().as_uri(), sha256=sha256_file(golden))),
        "champion": str(serving),
        "champion_artifact": str(model_uri(client, serving)),
    }
