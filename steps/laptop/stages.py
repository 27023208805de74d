"""The stages around the pipeline in the embedded world, and what the pipeline needs from it.

Each stage takes the loop and returns plain data for the run's state; each may be
repeated after a kill.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.catalog import find_step
from steps.contract.files import read_json, sha256_file, sha256_tree, write_json
from steps.contract.pipeline import Stage
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.runtime import run_step
from steps.laptop.live import run_live_canary
from steps.laptop.people import make_people, plan_requests
from steps.laptop.users import Users, recorded_traces
from steps.laptop.world.domain import World
from steps.laptop.world.warmup import base_key, build_base
from steps.operate.approval.decision import tag_decision
from steps.operate.cost import ledger
from steps.operate.cost.metering import meter_local
from steps.release import incident_record as metering
from steps.release.change import revert
from steps.release.incident import Timeline
from steps.store import registry as clients
from steps.store.aliases import PREVIOUS, abort, by_alias, champion, model_uri, promote
from steps.store.lake import open_lake

if TYPE_CHECKING:
    from steps.laptop.approve import Approval
    from steps.laptop.loop import Loop
    from steps.laptop.world.domain import World


def _step(loop: Loop, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run a pipeline step outside the DAG and return its result as plain data."""
    result: dict[str, Any] = json.loads(run_step(find_step(name), params, loop.ctx).model_dump_json())
    return result


def the_world(loop: Loop) -> World:
    """The world of this work folder: its seed was fixed by the first run there."""
    return World.create(read_json(loop.workdir / "world.json")["seed"])


def build_world(loop: Loop) -> dict[str, Any]:
    """Draw the world, make or find the first model, register and pin it."""
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
        folder = (loop.workdir / "artifacts" / "models" / f"base-{base_key(seed)}").absolute()
        return build_base(folder, seed, loop.progress)
    if Path(configured).is_dir():
        return Path(configured).absolute()
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(configured)).absolute()


def make_traffic(loop: Loop) -> dict[str, Any]:
    """Let the users ask the champion everything they want to know, through the gateway."""
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


def estimate(loop: Loop) -> dict[str, Any]:
    """What the training will cost, and whether the run's limit and the month's ceiling allow it."""
    pairs = loop.state.results["curate"]["pairs"]
    return _step(loop, "estimate", {"pairs": pairs, "method": loop.state.method, "max_cost_usd": loop.max_cost_usd})


def record_cost(loop: Loop) -> None:
    """Put what the run has used on record, for `ctp cost` and the month's budget; a repeated call leaves the same record."""
    from datetime import UTC, datetime

    state, gate = loop.state, loop.state.results.get("gate") or {}
    cost = ledger.RunCost(
        run_id=state.run_id,
        at=datetime.now(UTC),
        workflow="ctp run",
        pods=meter_local(state.seconds, state.cpu_seconds, loop.config.cost),
        gain=ledger.gain_of(gate["phase"], gate["metrics"]) if gate else None,
        model=state.results["register"]["model"] if state.outcome == "promoted" else "",
    )
    with open_lake(loop.config, loop.workdir) as lake:
        ledger.record_cost(lake, cost)


def approval_request(loop: Loop, stage: Stage) -> tuple[dict[str, str], str]:
    """What the person sees at an approval, and the digest that the decision is bound to."""
    results, shown = loop.state.results, {}
    for source in stage.shows:
        origin, _, output = source.partition(".")
        shown[source] = str(results[origin][output])
    shown["configuration"] = loop.state.config_hash
    if stage.name == "approve-train":
        cost = results["estimate"]
        shown["method"] = loop.state.method
        shown["estimated cost"] = f"{cost['cpu_core_hours']:.3f} CPU core hours, {cost['gpu_hours']:.2f} GPU hours, ${cost['usd']:.4f}"
        shown["spent this month"] = f"${cost['month_usd']:.4f}"
        return shown, results["curate"]["digest"]
    metric = results["gate"]["metrics"]["faithfulness"]
    shown["faithfulness"] = (
        f"{metric['champion']:.3f} → {metric['candidate']:.3f}, 95 % CI of the gain {metric['ci95'][0]:+.3f} to {metric['ci95'][1]:+.3f}"
    )
    return shown, ArtifactRef.model_validate(results["train"]["model"]).sha256


def note_decision(loop: Loop, approval: Approval) -> None:
    """Say on the registered version who decided about its deployment."""
    model = ModelRef.model_validate(loop.state.results["register"]["model"])
    tag_decision(model, loop.ctx, decision=approval.decision, by=approval.by, at=str(approval.at), digest=approval.digest)


def run_canary(loop: Loop) -> dict[str, Any]:
    """Walk the canary under live users; at its end all traffic is on the winner."""
    return run_live_canary(loop, the_world(loop), _champion(loop))


def settle(loop: Loop) -> dict[str, Any]:
    """Make registry and Git say what the canary decided: promote, or abort and revert the pin."""
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
        record |= {"reverted": True, "revert_commit": undone.commit, "timeline": _way_back(loop, candidate, before, undone.commit)}
    now, previous = champion(client, name), by_alias(client, name, PREVIOUS)
    return {"champion": str(now), "candidate": str(candidate), "previous": str(previous) if previous else None, "release": record}


def _way_back(loop: Loop, candidate: ModelRef, before: ModelRef, commit: str) -> list[dict[str, Any]]:
    """The moments of the abort, as a cluster's `reconcile` records them."""
    from datetime import UTC, datetime, timedelta

    canary, release = loop.state.results["canary"], loop.config.release
    breach, now = datetime.fromisoformat(canary["breach_at"]), datetime.now(UTC)
    empty = breach + timedelta(seconds=canary["abort_seconds"])
    line = Timeline(
        environment=release.environment,
        withdrawn=candidate,
        restored=before,
        cause="analysis",
        reason=canary["reason"],
        limit_s=release.rollback_limit_s,
    )
    for name, at in (("breach_seen", breach), ("aborted", breach), ("weight_zero", empty), ("previous_serving", empty)):
        line = line.add(name, at)  # type: ignore[arg-type]
    line = metering.reverted(line, commit, merged=True).add("alias_back", now).add("agreed", now)
    metering.record(loop.ctx, line)
    return [event.model_dump() for event in line.events]


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
        "estimate": "{phase}: {reason}",
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
