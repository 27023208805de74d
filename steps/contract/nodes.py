"""Kinds of nodes of a pipeline: what a graph of steps, fan-outs, approvals, choices and waits is made of.

A node says what it runs, what it waits for, under which conditions, from which values, and where it may run.
Two interpreters read nodes: `workflows` renders them for Argo, `steps.laptop` runs them in one process. Neither
knows a node by its name.

A source names a value: `run.NAME` is given with the run, `NODE.FIELD` is a field of an earlier node's result,
`item` and `item.FIELD` are the element of a fan-out, `in.NAME` an input of the fan-out or of the case that a node
stands in, and `=TEXT` is TEXT itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Place = Literal["argo", "laptop"]
EVERYWHERE: tuple[Place, ...] = ("argo", "laptop")


def bind(**sources: str) -> Mapping[str, str]:
    """Parameter -> source."""
    return MappingProxyType(sources)


@dataclass(frozen=True)
class Condition:
    """A node runs only where the value of `source` is `equals`, or where it is not `differs`."""

    source: str
    equals: str | None = None
    differs: str | None = None


@dataclass(frozen=True, kw_only=True)
class Node:
    """What all kinds have in common.

    Attributes:
        name: unique in its pipeline; also the task's name in Argo.
        needs: nodes that must have ended well before.
        when: what must hold besides.
        places: where it may run.
        frees: the `run.NAME` input that nothing needs after it, so that raw data can be deleted.
        title: what people read.
        summary: format of one line about its result.
    """

    name: str
    needs: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    places: tuple[Place, ...] = EVERYWHERE
    frees: str = ""
    title: str = ""
    summary: str = "done"


@dataclass(frozen=True, kw_only=True)
class Step(Node):
    """One step of the catalog.

    Attributes:
        step: its name in the catalog.
        inputs: parameter -> source.
    """

    step: str
    inputs: Mapping[str, str] = field(default_factory=bind)


@dataclass(frozen=True, kw_only=True)
class FanOut(Node):
    """Work that many pods share and one commits; its result is the commit's.

    Attributes:
        inputs: what its steps read as `in.NAME` -> source.
        plan: divides the work; None where an earlier node has planned it.
        items: source of the JSON list with one element a shard.
        shard: runs once for each element.
        commit: takes what all shards left; `shards.FIELD` is the JSON list of a field of their results.
        may_be_empty: the list may have no element; the commit then runs alone.
        parallelism: key of the environment's `workflows.parallelism` that bounds shards at work.
    """

    inputs: Mapping[str, str]
    plan: Step | None = None
    items: str
    shard: Step
    commit: Step
    may_be_empty: bool = False
    parallelism: str

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its steps in their order."""
        return (*((self.plan,) if self.plan else ()), self.shard, self.commit)


@dataclass(frozen=True)
class Shown:
    """A value that a person sees before deciding.

    Attributes:
        name: how the record calls it.
        source: where it comes from.
        description: what it is.
        form: `text`; `json` is a document already; `free` text is shown but stays out of the record.
    """

    name: str
    source: str
    description: str
    form: Literal["text", "json", "free"] = "text"


@dataclass(frozen=True, kw_only=True)
class Approval(Node):
    """A person decides, and the step `record` keeps what was decided; later nodes read the record's result.

    Attributes:
        record: the step that records the decision: parameters stage, decision, reason, approver, digest, shown, model.
        shows: what the person sees.
        binds: source of the content that the decision is about.
        model: source of the registered version that the decision is noted on; empty: none.
        rejected: runs when the answer was no, and ends the run.
    """

    record: str
    shows: tuple[Shown, ...]
    binds: str
    model: str = ""
    rejected: Step

    @property
    def record_name(self) -> str:
        """Name of the task that records the decision."""
        return f"record-{self.name}"


@dataclass(frozen=True)
class Case:
    """One way of a choice.

    Attributes:
        name: the task that stands for it.
        nodes: what runs, in order; the last one's result is the choice's. None: the nodes that need the choice go on.
        requires: configuration key that must be true for the case to be offered; empty: always.
        mutex: held while the case works, across all workflows; empty: none.
    """

    name: str = ""
    nodes: tuple[Node, ...] = ()
    requires: str = ""
    mutex: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice(Node):
    """What runs depends on a value.

    Attributes:
        on: source of the value.
        cases: value -> what runs.
        inputs: what the nodes of its cases read as `in.NAME` -> source.
        otherwise: runs for every other value and ends the run; None: another value is an error.
    """

    on: str
    cases: Mapping[str, Case]
    inputs: Mapping[str, str] = field(default_factory=bind)
    otherwise: Step | None = None

    @property
    def passes(self) -> str | None:
        """The value with which a check lets the run go on; None for a choice between ways."""
        values = [value for value, case in self.cases.items() if not case.nodes]
        return values[0] if values else None


@dataclass(frozen=True, kw_only=True)
class Wait(Node):
    """Something outside of the run works, and the run goes on when it has ended.

    Attributes:
        waits_for: the kind of object that works.
        inputs: what it is made of -> source.
        account: the service account that it works under; empty: its own.
        gpus: source of the number of GPUs that work while the run waits; empty: none.
    """

    waits_for: Literal["Rollout", "RayJob"]
    account: str = ""
    gpus: str = ""
    inputs: Mapping[str, str] = field(default_factory=bind)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a workflow.

    Attributes:
        name: as steps spell it.
        description: what people read.
        default: its value when nothing is given; None: it must be given.
        setting: field of the environment's `workflows.defaults` that is the default instead.
        options: the only values; empty: any.
        requires: option -> configuration key that must be true for it to be offered.
    """

    name: str
    description: str
    default: str | None = ""
    setting: str = ""
    options: tuple[str, ...] = ()
    requires: Mapping[str, str] = field(default_factory=bind)


@dataclass(frozen=True)
class Workflow:
    """One WorkflowTemplate as data.

    Attributes:
        name: of the WorkflowTemplate.
        description: what it does.
        nodes: in an order in which they may run.
        parameters: `run.NAME` that a person may give.
        stands_for: source of an absent node -> the source that stands in for it.
        exit: node that runs however the workflow ended.
        records: `always`: exit records every end with its cost; `failures`: only failures, without cost.
    """

    name: str
    description: str
    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...] = ()
    stands_for: Mapping[str, str] = field(default_factory=bind)
    exit: Step | None = None
    records: Literal["always", "failures"] = "always"

    def at(self, place: Place) -> tuple[Node, ...]:
        """The nodes that run at a place."""
        return tuple(node for node in self.nodes if place in node.places)


def steps_of(nodes: tuple[Node, ...]) -> Iterator[str]:
    """Names of every step that nodes run, in their order; a name may come twice."""
    for node in nodes:
        match node:
            case Step():
                yield node.step
            case FanOut():
                yield from (step.step for step in node.steps)
            case Approval():
                yield node.record
                yield node.rejected.step
            case Choice():
                for case in node.cases.values():
                    yield from steps_of(case.nodes)
                if node.otherwise:
                    yield node.otherwise.step
