"""Interpreter of `steps.contract.nodes` in one process: the steps, shards and commits that a cluster runs, one after another.

It knows no node by its name. What a node gave is kept by the caller, so that a killed run goes on with the first node
that has no result; every node may run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from steps.contract.catalog import find_step
from steps.contract.errors import DataError
from steps.contract.nodes import Approval, Choice, Condition, FanOut, Node, Step, Wait
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext

Result = dict[str, Any]


class Surroundings(Protocol):
    """What a run needs besides its nodes."""

    def context(self) -> StepContext:
        """The context of the next step."""

    def run_value(self, name: str) -> Any:
        """The value of `run.NAME`."""

    def finished(self, node: Node) -> None:
        """The node has a result now."""

    def decide(self, node: Approval, shown: Mapping[str, Any]) -> dict[str, str]:
        """A person's answer: decision, approver, reason and how it was given."""

    def wait(self, node: Wait, inputs: Mapping[str, Any]) -> Result:
        """Let what the node waits for work to its end."""

    def measure(self, node: Node, work: Callable[[], Result]) -> Result:
        """Do the work of a node, and keep its result and what it took."""


@dataclass
class Interpreter:
    """One pass over the nodes of a workflow.

    Attributes:
        nodes: in an order in which they may run.
        results: node -> result, as plain data; nodes with a result are not run again.
        around: the surroundings.
        reason: why the run ended early; empty while it has not.
    """

    nodes: tuple[Node, ...]
    results: dict[str, Result]
    around: Surroundings
    stands_for: Mapping[str, str]
    reason: str = ""

    def run(self) -> bool:
        """Run what has no result yet. False: a check, a person or a missing condition ended the run before its last node."""
        return all(self._visit(node) for node in self.nodes)

    def _visit(self, node: Node) -> bool:
        if isinstance(node, Choice) and node.passes:
            return self._check(node)
        if not all(self._holds(condition) for condition in node.when):
            self.reason = f"{node.name} does not apply"
            return False
        if node.name not in self.results:
            self.results[node.name] = self.around.measure(node, lambda: self._work(node))
        self.around.finished(node)
        return not isinstance(node, Approval) or self._approved(node)

    def _work(self, node: Node) -> Result:
        match node:
            case Step():
                return self._step(node, self._values(node.inputs))
            case FanOut():
                return self._fan_out(node)
            case Choice():
                return self._choose(node)
            case Approval():
                return self._decide(node)
            case Wait():
                return self.around.wait(node, self._values(node.inputs))
        raise TypeError(f"{node.name}: no kind of node that this interpreter knows")

    def _step(self, node: Step, params: Mapping[str, Any]) -> Result:
        result: Result = json.loads(run_step(find_step(node.step), params, self.around.context()).model_dump_json())
        return result

    def _fan_out(self, node: FanOut) -> Result:
        """Plan, one shard after another, commit."""
        bindings = self._values(node.inputs)
        inner: dict[str, Result] = {}
        if node.plan:
            inner[node.plan.name] = self._step(node.plan, dict(self._bound(node.plan, inner, bindings)))
        shards = [
            self._step(node.shard, dict(self._bound(node.shard, inner, bindings, item)))
            for item in self._inner(node.items, inner, bindings)
        ]
        inner[node.shard.name] = {name: [shard[name] for shard in shards] for name in (shards[0] if shards else {})}
        return self._step(node.commit, dict(self._bound(node.commit, inner, bindings)))

    def _choose(self, node: Choice) -> Result:
        """Run the nodes of the case; the last one's result is the choice's."""
        value = self.value(node.on)
        if value not in node.cases:
            raise DataError(f"{node.name}: {node.on} is {value!r}: it must be one of {', '.join(node.cases)}")
        bindings = self._values(node.inputs)
        inner: dict[str, Result] = {}
        for inside in node.cases[value].nodes:
            if not isinstance(inside, Step):
                raise DataError(f"{node.name}: {value} needs a cluster: take another")
            inner[inside.name] = self._step(inside, dict(self._bound(inside, inner, bindings)))
        return inner[node.cases[value].nodes[-1].name]

    def _decide(self, node: Approval) -> Result:
        """Ask a person, then let the step of a cluster's approval record the answer; only what it recorded counts."""
        shown = {item.name: self.value(item.source) for item in node.shows}
        answer = self.around.decide(node, shown)
        kept = {item.name: shown[item.name] for item in node.shows if item.form != "free"}
        bound = {"digest": str(self.value(node.binds)), "model": self.value(node.model) if node.model else ""}
        params = {"stage": node.name, **answer, **bound, "shown": kept}
        return self._step(Step(name=node.record_name, step=node.record), params)

    def _approved(self, node: Approval) -> bool:
        return self.results[node.name]["decision"] == "approved" or self._end(node.rejected)

    def _check(self, node: Choice) -> bool:
        return self.value(node.on) == node.passes or (node.otherwise is not None and self._end(node.otherwise))

    def _end(self, node: Step) -> bool:
        """Run the step that ends a run; its error is the reason."""
        try:
            self._step(node, self._values(node.inputs))
        except DataError as error:
            self.reason = str(error)
        return False

    def _holds(self, condition: Condition) -> bool:
        value = self.value(condition.source)
        return bool(value == condition.equals if condition.equals is not None else value != condition.differs)

    def _values(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        return {name: self.value(source) for name, source in inputs.items()}

    def value(self, source: str) -> Any:
        """The value of a source outside of fan-outs and cases."""
        source = self.stands_for.get(source, source)
        if source.startswith("="):
            return source[1:]
        origin, _, name = source.partition(".")
        return self.around.run_value(name) if origin == "run" else self.results[origin][name]

    def _bound(self, node: Step, inner: Mapping[str, Result], bindings: Mapping[str, Any], item: Any = None) -> Iterator[tuple[str, Any]]:
        for name, source in node.inputs.items():
            yield name, self._inner(source, inner, bindings, item)

    @staticmethod
    def _inner(source: str, inner: Mapping[str, Result], bindings: Mapping[str, Any], item: Any = None) -> Any:
        """The value of a source inside of a fan-out or a case."""
        origin, _, name = source.partition(".")
        if origin == "in":
            return bindings[name]
        if origin == "item":
            return item[name] if name else item
        return inner[origin][name]
