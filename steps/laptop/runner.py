"""`ctp run` from the first question to the report: the loop of `steps.contract.pipeline`, and around it the embedded world.

Order: world, traffic, the loop's nodes, the canary's own traffic into the lake. Every finished stage is on disk before
the next begins; a killed run goes on with the first stage that has no result, and every stage may be repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from steps.contract.nodes import Approval, Node, Wait
from steps.contract.spec import StepContext
from steps.contract.workflows import find_workflow
from steps.laptop import embedded
from steps.laptop.approve import ask_approval
from steps.laptop.interpreter import Interpreter, Result
from steps.laptop.live import run_live_canary
from steps.laptop.loop import Loop
from steps.laptop.state import Clock, RunState, tree_memory_mb

WORKFLOW = "continuous-training"
# Brings raw trace files into the lake.
TRACES_IN = "trace-ingest"


def run_to_end(loop: Loop) -> RunState:
    """Do what the run has not done yet; sets `outcome` and `finished_at`."""
    run = Run(loop)
    with _memory_watch(loop.state):
        run.stage("world", lambda: embedded.build_world(loop), "champion {champion}, {golden_questions} held-out questions")
        run.stage("traffic", lambda: embedded.make_traffic(loop), "{requests} requests, {answered} answered, {broken} broken ones refused")
        walk(run)
    loop.services.stop_all()
    run.record_end()
    loop.state.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
    return loop.state


def walk(run: Run) -> bool:
    """Walk the loop and set the run's outcome. False: a check or a person ended it before its last node."""
    state, workflow = run.loop.state, find_workflow(WORKFLOW)
    nodes = workflow.at("laptop")
    interpreter = Interpreter(nodes, state.results, run, workflow.stands_for)
    if not interpreter.run():
        state.outcome, state.reason = "rejected", interpreter.reason
        return False
    for node in nodes:
        if isinstance(node, Wait):
            waited = state.results[node.name]
            state.outcome = waited["outcome"]
            state.reason = "" if state.outcome == "promoted" else waited["reason"]
            run.stage("harvest", run.harvest, "{read} traces of the canary read, {written} kept")
    return True


class Run:
    """The surroundings of one `ctp run` as `steps.laptop.interpreter` needs them."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.clock = Clock(loop.state)
        self.waits: dict[str, Callable[[Loop, Mapping[str, Any]], Result]] = {"Rollout": run_live_canary}

    def stage(self, name: str, work: Callable[[], Result], summary: str) -> Result:
        """Do the work of a stage unless its result is on disk; say what it gave."""
        loop, results = self.loop, self.loop.state.results
        if name not in results:
            loop.console.print(f"[bold]▶ {escape(name)}[/bold]", highlight=False)
            with self.clock.stage(name):
                results[name] = work()
            loop.store.save(loop.state)
            line = escape(summary.format_map(_Readable(results[name])))
            loop.console.print(f"  [green]✔[/green] {line} [dim]{loop.state.seconds[name]:.1f} s[/dim]", highlight=False)
        return results[name]

    def measure(self, node: Node, work: Callable[[], Result]) -> Result:
        """Do the work of a node, and keep its result and what it took."""
        return self.stage(node.name, work, node.summary)

    def context(self) -> StepContext:
        """The context of the next step; judges without a URL get the embedded one's."""
        return self.loop.ctx

    def run_value(self, name: str) -> Any:
        """The value of `run.NAME`."""
        return embedded.run_values(self.loop)[name]

    def finished(self, node: Node) -> None:
        """Delete raw spans that the node has brought into the lake or refused, also after a kill between the two.

        Once a later node has a result, spans of the canary may lie beside them; these are read at the end.
        """
        if node.frees and node.name == list(self.loop.state.results)[-1]:
            embedded.delete_raw_spans(self.loop)

    def decide(self, node: Approval, shown: Mapping[str, Any]) -> dict[str, str]:
        """Ask in the terminal, or answer yes where `--yes` was given."""
        answer = ask_approval(self.loop.console, node, shown, automatic=self.loop.automatic)
        others = [approval for approval in self.loop.state.approvals if approval["name"] != node.name]
        self.loop.state.approvals = [*others, {"name": node.name, "shown": readable(shown), "how": answer.how}]
        return answer.model_dump()

    def wait(self, node: Wait, inputs: Mapping[str, Any]) -> Result:
        """Let what the node waits for work to its end."""
        return self.waits[node.waits_for](self.loop, inputs)

    def harvest(self) -> Result:
        """Bring the canary's own traffic into the lake, so that the next run starts from it and no raw text stays."""
        workflow = find_workflow(TRACES_IN)
        results: dict[str, Result] = {}
        Interpreter(workflow.at("laptop"), results, Aside(self.loop), workflow.stands_for).run()
        embedded.delete_raw_spans(self.loop)
        return results[workflow.nodes[-1].name]

    def record_end(self) -> None:
        """Run what a workflow runs however it ended, and put on record what the run has used."""
        exit_node = find_workflow(WORKFLOW).exit
        if exit_node:
            Interpreter((exit_node,), {}, Aside(self.loop), {}).run()
        embedded.record_cost(self.loop)


class Aside(Run):
    """Nodes that run beside the loop: they leave nothing in the run's state."""

    def measure(self, node: Node, work: Callable[[], Result]) -> Result:
        """Do the work."""
        return work()

    def run_value(self, name: str) -> Any:
        """The value of `run.NAME`; sources are the loop's own spans alone."""
        return (str(self.loop.services.spool),) if name == "sources" else super().run_value(name)

    def finished(self, node: Node) -> None:
        """Nothing is deleted."""


class _Readable(dict[str, Any]):
    """A result whose nested values format as text."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return _text(value) if isinstance(value, dict) else value


def readable(result: Mapping[str, Any]) -> dict[str, str]:
    """Values as a person reads them in one line."""
    return {name: _text(value) for name, value in result.items()}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return str(value)


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
