"""The local runner: walks `steps.contract.pipeline.PIPELINE` in this process, around it the embedded world.

Order: world → traffic → the pipeline's stages → canary → settle → harvest → report.
Every finished stage is on disk before the next begins; a killed run goes on with the
first stage that has no result, and every stage may be repeated.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from steps.contract.catalog import find_step
from steps.contract.pipeline import PIPELINE, Stage
from steps.contract.runtime import run_step
from steps.laptop import stages
from steps.laptop.approve import Approval, ask_approval
from steps.laptop.loop import Loop
from steps.laptop.state import Clock, RunState, tree_memory_mb


def run_to_end(loop: Loop) -> RunState:
    """Do what the run has not done yet; sets `outcome` and `finished_at`."""
    clock = Clock(loop.state)
    with _memory_watch(loop.state):
        _local(loop, clock, "world", stages.build_world)
        _local(loop, clock, "traffic", stages.make_traffic)
        reached_end = _walk(loop, clock)
        if reached_end:
            _local(loop, clock, "canary", stages.run_canary)
            loop.state.outcome = loop.state.results["canary"]["outcome"]
            loop.state.reason = "" if loop.state.outcome == "promoted" else loop.state.results["canary"]["reason"]
            _local(loop, clock, "settle", stages.settle)
            _local(loop, clock, "harvest", stages.harvest)
        else:
            loop.state.outcome = "rejected"
    loop.services.stop_all()
    stages.record_cost(loop)
    loop.state.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
    return loop.state


def _local(loop: Loop, clock: Clock, name: str, body: Callable[[Loop], dict[str, Any]]) -> None:
    """Run one stage of the embedded world unless it is done."""
    if name not in loop.state.results:
        _stage(loop, clock, name, lambda: body(loop))


def _stage(loop: Loop, clock: Clock, name: str, body: Callable[[], dict[str, Any]]) -> None:
    loop.console.print(f"[bold]▶ {name}[/bold]", highlight=False)
    with clock.stage(name):
        result = body()
    loop.state.results[name] = result
    loop.store.save(loop.state)
    loop.console.print(
        f"  [green]✔[/green] {escape(stages.describe(name, result))} [dim]{loop.state.seconds[name]:.1f} s[/dim]", highlight=False
    )


def _walk(loop: Loop, clock: Clock) -> bool:
    """Walk the pipeline's DAG. False when a condition or a person stopped it."""
    results = loop.state.results
    for stage in PIPELINE:
        if stage.when and results[stage.when.stage][stage.when.output] != stage.when.equals:
            loop.state.reason = (
                results[stage.when.stage].get("reason") or f"{stage.when.stage} ended as {results[stage.when.stage][stage.when.output]}"
            )
            return False
        if stage.name == "approve-train" and not _affordable(loop, clock):
            return False
        if stage.name not in results:
            if stage.is_approval:
                _approve(loop, stage)
            else:
                _stage(loop, clock, stage.name, functools.partial(_run_pipeline_step, loop, stage))
        if stage.name == "govern" and "release" not in results:
            # Also after a kill between the two; once the canary may have written spans, harvest purges.
            stages.purge_spool(loop)
        if stage.is_approval and results[stage.name]["decision"] != "approved":
            loop.state.reason = (
                f"{stage.name} was declined by {results[stage.name]['by']}: {results[stage.name]['reason'] or 'no reason given'}"
            )
            return False
    return True


def _affordable(loop: Loop, clock: Clock) -> bool:
    """Estimate the training and look at the budget, as a workflow does before its approval."""
    _local(loop, clock, "estimate", stages.estimate)
    found = loop.state.results["estimate"]
    if found["phase"] != "Successful":
        loop.state.reason = found["reason"]
        return False
    return True


def bind(stage: Stage, results: dict[str, dict[str, Any]], given: Callable[[str], Any]) -> dict[str, Any]:
    """Resolve a stage's inputs: `run.NAME` from the run, the rest from earlier results."""
    params = {}
    for name, source in stage.inputs.items():
        origin, _, output = source.partition(".")
        params[name] = given(output) if origin == "run" else results[origin][output]
    return params


def _run_pipeline_step(loop: Loop, stage: Stage) -> dict[str, Any]:
    params = bind(stage, loop.state.results, lambda name: stages.given(loop, name))
    result = run_step(find_step(stage.step), params, loop.ctx)
    dumped: dict[str, Any] = json.loads(result.model_dump_json())
    return dumped


def _approve(loop: Loop, stage: Stage) -> None:
    shown, digest = stages.approval_request(loop, stage)
    title = {"approve-train": "Approve the training?", "approve-deploy": "Approve the release?"}[stage.name]
    loop.console.print(f"[bold]▶ {stage.name}[/bold]", highlight=False)
    approval: Approval = ask_approval(loop.console, stage.name, title, shown, digest=digest, automatic=loop.automatic)
    loop.state.results[stage.name] = approval.model_dump()
    loop.state.approvals.append(approval.model_dump())
    if stage.name == "approve-deploy":
        stages.note_decision(loop, approval)
    loop.store.save(loop.state)
    how = "automatically (--yes)" if approval.automatic else "by hand"
    mark = "[green]✔[/green]" if approval.decision == "approved" else "[yellow]✘[/yellow]"
    loop.console.print(f"  {mark} {approval.decision} by {escape(approval.by)}, {how}", highlight=False)


class _memory_watch:  # noqa: N801 - reads as a statement
    """Keep the highest resident memory of the process tree in the state."""

    def __init__(self, state: RunState) -> None:
        self._state, self._stop = state, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="memory-watch")

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self._state.peak_memory_mb = round(max(self._state.peak_memory_mb, tree_memory_mb()), 1)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
