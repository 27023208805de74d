"""The embedded world around the loop: the first model, users' traffic, what a run is given, and its cost.

Each stage takes the loop and returns plain data for the run's state; each may be repeated after a kill.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.catalog import find_step
from steps.contract.files import sha256_file, sha256_tree, write_json
from steps.contract.pipeline import GATE, REGISTER, RELEASE
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.runtime import run_step
from steps.laptop.people import make_people, plan_requests
from steps.laptop.users import Users, recorded_traces
from steps.laptop.world.domain import the_world
from steps.laptop.world.golden import write_golden
from steps.laptop.world.warmup import base_key, build_base
from steps.operate.cost import ledger
from steps.operate.cost.metering import meter_local
from steps.store.aliases import PREVIOUS, by_alias, champion, model_uri
from steps.store.lake import open_lake
from steps.store.registry import open_registry

if TYPE_CHECKING:
    from steps.laptop.loop import Loop


def _step(loop: Loop, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run a pipeline step outside the DAG and return its result as plain data."""
    result: dict[str, Any] = json.loads(run_step(find_step(name), params, loop.ctx).model_dump_json())
    return result


def build_world(loop: Loop) -> dict[str, Any]:
    """Draw the world, make or find the first model, register and pin it."""
    seed_file = loop.workdir / "world.json"
    if not seed_file.exists():
        write_json(seed_file, {"seed": loop.state.seed})
    world = the_world(loop.workdir)
    golden = write_golden(world, loop.workdir / "artifacts" / "golden" / f"world-{world.seed}.jsonl")
    client = open_registry(loop.config, loop.workdir)
    serving = champion(client, loop.config.model_name)
    if serving is None:
        base = _base_model(loop, world.seed)
        registered = _step(loop, REGISTER.step, {"model": ArtifactRef(uri=base.as_uri(), sha256=sha256_tree(base)), "bootstrap": True})
        serving = ModelRef.model_validate(registered["champion"])
    artifact = model_uri(client, serving)
    release = _step(loop, RELEASE.step, {"model": serving, "artifact": artifact, "approved_by": "ctp bootstrap"})
    return {
        "world_seed": world.seed,
        "golden": str(ArtifactRef(uri=golden.absolute().as_uri(), sha256=sha256_file(golden))),
        "golden_questions": len(world.golden_items),
        "champion": str(serving),
        "champion_artifact": str(artifact),
        "previous": str(previous) if (previous := by_alias(client, loop.config.model_name, PREVIOUS)) else None,
        "pin_commit": release["commit"],
    }


def _base_model(loop: Loop, seed: int) -> Path:
    """The folder of the first model: configured, or the tiny Qwen3 of this world's seed."""
    configured = loop.config.world.base_model
    if not configured:
        folder = (loop.workdir / "artifacts" / "models" / f"base-{base_key(seed)}").absolute()
        return build_base(folder, seed, loop.progress)
    if Path(configured).is_dir():
        return Path(configured).absolute()
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(configured)).absolute()


def make_traffic(loop: Loop) -> dict[str, Any]:
    """Let the users ask the champion everything they want to know, through the gateway."""
    world, services = the_world(loop.workdir), loop.services
    people = make_people(world.seed, loop.config.govern.allowed_regions)
    asks = plan_requests(world, people, run_id=loop.state.run_id, per_prompt=loop.config.world.requests_per_prompt)
    gateway = services.open_gateway(_artifact_path(loop.state.results["world"]["champion_artifact"]), _champion(loop))
    users = Users(
        gateway.url,
        model=loop.config.model_name,
        spans_dir=services.spool,
        world_seed=world.seed,
        run_id=loop.state.run_id,
        phase="traffic",
    )
    done = recorded_traces(services.spool)
    left = [ask for ask in asks if users.trace_id(ask) not in done]
    with loop.progress.task("users ask the champion", total=len(left), unit="requests") as task:
        tally = asyncio.run(users.run(left, concurrency=loop.config.world.concurrency, on_answer=lambda: task.advance(1)))
    services.check()
    # Span files are read next: their writers end, so that every line is on disk and complete.
    services.stop("gateway", "stable")
    return {
        "requests": len(asks),
        "answered_before": len(asks) - len(left),
        "answered": tally.answered,
        "errors": tally.errors,
        "broken": tally.refused_as_broken,
    }


def _artifact_path(text: str) -> Path:
    return Path(ArtifactRef.model_validate(text).local_path())


def _champion(loop: Loop) -> ModelRef:
    """The model that served when the run began."""
    return ModelRef.model_validate(loop.state.results["world"]["champion"])


def run_values(loop: Loop) -> dict[str, Any]:
    """What is given with a run, name -> value."""
    state = loop.state
    return {
        "sources": (str(loop.services.spool), *state.sources),
        "golden": state.results["world"]["golden"],
        "method": state.method,
        "trainer": "trl",
        # The champion.
        "base_model": "",
        "max_cost_usd": loop.max_cost_usd,
        # The embedded world has one day: no window.
        "window_days": 0,
        # Empty: both models are started by the step that asks them, so that its questions leave no trace in the spool.
        "champion_url": "",
        "candidate_url": "",
        "workflow": "ctp run",
        "status": "Failed" if state.outcome == "rejected" else "Succeeded",
        "duration_s": round(sum(state.seconds.values()), 3),
        "failures": "",
        # Nothing is read from a cluster.
        "namespace": "",
    }


def delete_raw_spans(loop: Loop) -> None:
    """Delete the loop's own raw spans that are in the lake or refused by now: refused text stays nowhere.

    Files given with `--source` belong to somebody else and are never touched.
    """
    if loop.config.ingest.keep_raw:
        return
    for path in loop.services.spool.glob("*.jsonl"):
        path.unlink()


def record_cost(loop: Loop) -> None:
    """Put what the run has used on record, for `ctp cost` and the month's budget; a repeated call leaves the same record."""
    state, gate = loop.state, loop.state.results.get(GATE.name) or {}
    cost = ledger.RunCost(
        run_id=state.run_id,
        at=datetime.now(UTC),
        workflow="ctp run",
        pods=meter_local(state.seconds, state.cpu_seconds, loop.config.cost),
        gain=ledger.gain_of(gate["phase"], gate["metrics"]) if gate else None,
        model=state.results[REGISTER.name]["model"] if state.outcome == "promoted" else "",
    )
    with open_lake(loop.config, loop.workdir) as lake:
        ledger.record_cost(lake, cost)
