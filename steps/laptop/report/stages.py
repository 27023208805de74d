"""The strip of stages under the outcome sentence, and how stages and metrics are called."""

from __future__ import annotations

from dataclasses import dataclass

from steps.contract.pipeline import CANARY, CURATE, GATE, GOVERN, INGEST, LABEL, LOOP, REGISTER, RELEASE, TRAIN
from steps.laptop.report import numbers
from steps.laptop.report.record import RunReport

STAGES = {"world": "Prepare", "traffic": "Users ask", **{node.name: node.title for node in LOOP if node.title}, "harvest": "Harvest"}
"""Known stages in loop order and their titles; the runner may add others."""

_REQUIRED = tuple(node.name for node in (INGEST, LABEL, CURATE, TRAIN, GATE, REGISTER, RELEASE, CANARY))

_ACRONYMS = {
    "p50": "p50",
    "p95": "p95",
    "p99": "p99",
    "llm": "LLM",
    "dpo": "DPO",
    "grpo": "GRPO",
    "sft": "SFT",
    "kl": "KL",
    "ms": "(ms)",
    "s": "(s)",
}


_TITLES = {
    "judge": "Judge’s rating",
    "gold_restated": "Gold facts restated",
    "gold_restated_drop": "Gold facts lost",
    "golden_prompts": "Enough questions",
    "length_words": "Answer length in words",
    "p99_latency_ms": "p99 latency",
}
"""Names that do not read well letter by letter."""


@dataclass(frozen=True)
class Stage:
    """One stop of the strip. `state`: done, stopped (the run ended here), missing (not reached)."""

    title: str
    time: str
    fact: str
    state: str


def stage_title(name: str) -> str:
    """A stage's title; unknown names are made readable."""
    return STAGES.get(name) or title_of(name)


def title_of(name: str) -> str:
    """`answer_relevancy` as `Answer relevancy`, `rewards/margins` as `Rewards: margins`."""
    if name in _TITLES:
        return _TITLES[name]
    words = name.replace("/", ": ").replace("_", " ").replace("-", " ").split()
    spoken = " ".join(_ACRONYMS.get(word.lower(), word) for word in words)
    return spoken[:1].upper() + spoken[1:] if words and words[0].lower() not in _ACRONYMS else spoken


def _facts(record: RunReport) -> dict[str, str]:
    """One short fact a stage."""
    facts = {}
    if record.ingest:
        facts[INGEST.name] = f"{numbers.count(record.ingest.read)} read"
        facts[GOVERN.name] = f"{numbers.count(record.ingest.written)} kept"
    if record.label:
        facts[LABEL.name] = f"{numbers.count(record.label.labelled)} scored"
    if record.dataset:
        grpo = record.method == "grpo" and record.dataset.prompts is not None
        facts[CURATE.name] = f"{numbers.count(record.dataset.prompts)} prompts" if grpo else f"{numbers.count(record.dataset.pairs)} pairs"
    if record.train:
        facts[TRAIN.name] = "reused" if record.train.reused else f"{numbers.count(record.train.steps)} steps"
    if record.gate:
        facts[GATE.name] = {"Successful": "passed", "Failed": "not passed"}.get(record.gate.phase, record.gate.phase.lower())
    if record.registry and record.registry.candidate is not None:
        facts[REGISTER.name] = f"version {str(record.registry.candidate).rpartition('@')[2]}"
    if record.release and record.release.commit:
        facts[RELEASE.name] = "taken back" if record.release.reverted else record.release.commit[:7]
    if record.canary:
        weight = f"{record.canary.steps[-1].weight} %" if record.canary.steps else ""
        facts[CANARY.name] = "aborted" if record.outcome == "aborted" else weight
    return facts


def stopped_at(record: RunReport) -> str:
    """The stage where a run ended early; empty for a promoted run."""
    if record.outcome == "promoted":
        return ""
    if record.outcome == "aborted":
        return CANARY.name
    refused = [approval.name for approval in record.approvals if approval.decision == "rejected"]
    if refused:
        return refused[0]
    if record.gate and record.gate.phase != "Successful":
        return GATE.name
    return next((name for name in reversed(record.seconds)), "")


def flow(record: RunReport) -> list[Stage]:
    """The stages in the order they ran, then those of the loop that were not reached."""
    facts, stopped = _facts(record), stopped_at(record)
    ran = list(record.seconds)
    if stopped and stopped not in ran:
        ran.append(stopped)
    stages = []
    for name in ran + [name for name in _REQUIRED if name not in ran]:
        state = "stopped" if name == stopped else "done" if name in record.seconds or name in facts else "missing"
        time = numbers.duration(record.seconds.get(name)) if name in record.seconds else ""
        fact = facts.get(name, "") if state != "missing" else "not reached"
        stages.append(Stage(stage_title(name), time, fact, state))
    return stages
