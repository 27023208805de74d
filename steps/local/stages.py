"""The stages around the pipeline in the embedded world, and what the pipeline needs from it.

Each stage takes the loop and returns plain data for the run's state; each may be
repeated after a kill.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.catalog import find_step
from steps.core.files import read_json, sha256_file, sha256_tree, write_json
from steps.core.refs import ArtifactRef, ModelRef
from steps.core.runtime import run_step
from steps.pipeline import Stage

if TYPE_CHECKING:
    from steps.local.loop import Loop
    from steps.local.world.domain import World


def _step(loop: Loop, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run a pipeline step outside the DAG and return its result as plain data."""
    result: dict[str, Any] = json.loads(run_step(find_step(name), params, loop.ctx).model_dump_json())
    return result


def the_world(loop: Loop) -> World:
    """The world of this work folder: its seed was fixed by the first run there."""
    from steps.local.world.domain import World

    return World.create(read_json(loop.workdir / "world.json")["seed"])


def build_world(loop: Loop) -> dict[str, Any]:
    """Draw the world, make or find the first model, register and pin it."""
    from steps.core import clients
    from steps.registry.alias import champion, model_uri

    seed_file = loop.workdir / "world.json"
    if not seed_file.exists():
        write_json(seed_file, {"seed": loop.state.seed})
    world = the_world(loop)
    golden = world.write_golden(loop.workdir / "artifacts" / "golden" / f"world-{world.seed}.jsonl")
    client = clients.registry(loop.config, loop.workdir)
    serving = champion(client, loop.config.model_name)
    if serving is None:
        base = _base_model(loop, world.seed)
        registered = _step(loop, "register", {"model": ArtifactRef(uri=base.as_uri(), sha256=sha256_tree(base)), "bootstrap": True})
        serving = ModelRef.model_validate(registered["champion"])
    artifact = model_uri(client, serving)
    release = _step(loop, "release", {"model": serving, "artifact": artifact, "approved_by": "ctp bootstrap"})
    return {
        "world_seed": world.seed,
        "golden": str(ArtifactRef(uri=golden.absolute().as_uri(), sha256=sha256_file(golden))),
        "golden_questions": len(world.golden_items),
        "champion": str(serving),
        "champion_artifact": str(artifact),
        "pin_commit": release["commit"],
    }


def _base_model(loop: Loop, seed: int) -> Path:
    """The folder of the first model: configured, or the tiny Qwen3 of this world's seed."""
    configured = loop.config.world.base_model
    if not configured:
        from steps.local.world.warmup import base_key, build_base

        folder = (loop.workdir / "artifacts" / "models" / f"base-{base_key(seed)}").absolute()
        return build_base(folder, seed, loop.progress)
    if Path(configured).is_dir():
        return Path(configured).absolute()
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(configured)).absolute()


def make_traffic(loop: Loop) -> dict[str, Any]:
    """Let the users ask the champion everything they want to know, through the gateway."""
    from steps.local.people import make_people, plan_requests
    from steps.local.users import Users, recorded_traces

    world, services = the_world(loop), loop.services
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


def given(loop: Loop, name: str) -> Any:
    """A `run.NAME` input of the pipeline."""
    world = loop.state.results["world"]
    return {
        "sources": (str(loop.services.spool), *loop.state.sources),
        "golden": world["golden"],
        "champion": world["champion"],
        "champion_artifact": world["champion_artifact"],
        "base": world["champion_artifact"],
        "method": loop.state.method,
        # The embedded world has one day: no window.
        "since": "",
        "until": "",
        # Empty: the gate starts both models itself, so that its questions leave no trace in the spool.
        "champion_url": "",
        "candidate_url": "",
    }[name]


def purge_spool(loop: Loop) -> None:
    """Delete the loop's own raw spans that are in the lake or refused by now: refused text stays nowhere.

    Files given with `--source` belong to somebody else and are never touched.
    """
    if loop.config.ingest.keep_raw:
        return
    for path in loop.services.spool.glob("*.jsonl"):
        path.unlink()


def approval_request(loop: Loop, stage: Stage) -> tuple[dict[str, str], str]:
    """What the person sees at an approval, and the digest that the decision is bound to."""
    from steps.kpi.cost import estimate_train

    results, shown = loop.state.results, {}
    for source in stage.shows:
        origin, _, output = source.partition(".")
        shown[source] = str(results[origin][output])
    shown["configuration"] = loop.state.config_hash
    if stage.name == "approve-train":
        cost = estimate_train(loop.config, results["curate"]["pairs"], loop.state.method)
        shown["method"] = loop.state.method
        shown["estimated cost"] = f"{cost.cpu_core_hours:.3f} CPU core hours, {cost.gpu_hours:.2f} GPU hours, ${cost.usd:.4f}"
        return shown, results["curate"]["digest"]
    metric = results["gate"]["metrics"]["faithfulness"]
    shown["faithfulness"] = (
        f"{metric['champion']:.3f} → {metric['candidate']:.3f}, 95 % CI of the gain {metric['ci95'][0]:+.3f} to {metric['ci95'][1]:+.3f}"
    )
    return shown, ArtifactRef.model_validate(results["train"]["model"]).sha256


def run_canary(loop: Loop) -> dict[str, Any]:
    """Walk the canary under live users; at its end all traffic is on the winner."""
    from steps.local.live import run_live_canary

    return run_live_canary(loop, the_world(loop), _champion(loop))


def settle(loop: Loop) -> dict[str, Any]:
    """Make registry and Git say what the canary decided: promote, or abort and revert the pin."""
    from steps.core import clients
    from steps.registry.alias import PREVIOUS, abort, by_alias, champion, promote
    from steps.release.change import revert

    client, results = clients.registry(loop.config, loop.workdir), loop.state.results
    name, before = loop.config.model_name, _champion(loop)
    candidate = ModelRef.model_validate(results["register"]["model"])
    release = results["release"]
    record = {"commit": release["commit"], "previous_commit": release["previous_commit"], "reverted": False, "revert_commit": None}
    if results["canary"]["outcome"] == "promoted":
        promote(client, name, candidate.version, before.version)
    else:
        undone = revert(loop.ctx, release["commit"], reason=results["canary"]["reason"], approved_by="ctp canary analysis")
        abort(client, name, candidate.version, results["canary"]["reason"])
        record |= {"reverted": True, "revert_commit": undone.commit}
    now, previous = champion(client, name), by_alias(client, name, PREVIOUS)
    return {"champion": str(now), "candidate": str(candidate), "previous": str(previous) if previous else None, "release": record}


def harvest(loop: Loop) -> dict[str, Any]:
    """Bring the canary's own traffic into the lake, so that the next run starts from it and no raw text stays."""
    planned = _step(loop, "ingest", {"sources": (str(loop.services.spool),)})
    governed = _step(loop, "govern", {"units": planned["units"]})
    purge_spool(loop)
    return governed


def describe(name: str, result: dict[str, Any]) -> str:
    """One line about a finished stage."""
    lines = {
        "world": "champion {champion}, {golden_questions} held-out questions",
        "traffic": "{requests} requests, {answered} answered, {broken} broken ones refused, {errors} failed",
        "ingest": "{files} trace files, {skipped_files} known already",
        "govern": "{read} traces read, {written} kept, {quarantined} quarantined, {duplicates} duplicates, stopped by gate: {by_gate}",
        "label": "{labelled} traces labelled, {llm_calls} judge calls, {cache_hits} from cache, mean reward {mean_score}",
        "curate": "{pairs} preference pairs, {prompts} prompts, dataset {digest:.12}",
        "train": "{steps} steps in {seconds:.1f} s",
        "gate": "{phase}: {reason}",
        "register": "{model}",
        "release": "commit {commit:.10}",
        "canary": "{outcome}: {reason}",
        "settle": "champion {champion}",
        "harvest": "{read} canary traces read, {written} kept",
    }
    shown = dict(result)
    if "by_gate" in shown:
        shown["by_gate"] = ", ".join(f"{gate} {count}" for gate, count in shown["by_gate"].items())
    return lines.get(name, "done").format_map(shown)
