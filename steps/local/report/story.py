"""What the page says in words: the outcome sentence, the reason, key figures and the strip of stages."""

from __future__ import annotations

from dataclasses import dataclass

from steps.local.report import numbers
from steps.local.report.record import Finding, MetricRecord, RunReport

STAGES = {
    "world": "Users ask",
    "serve": "Serve",
    "ingest": "Ingest",
    "govern": "Govern",
    "label": "Label",
    "curate": "Curate",
    "approve-train": "Approve training",
    "train": "Train",
    "gate": "Gate",
    "register": "Register",
    "approve-deploy": "Approve release",
    "release": "Release",
    "canary": "Canary",
}
"""Known stages in loop order and their titles; the runner may add others."""

_REQUIRED = ("ingest", "label", "curate", "train", "gate", "register", "release", "canary")

_ACRONYMS = {"p50": "p50", "p95": "p95", "p99": "p99", "llm": "LLM", "dpo": "DPO", "grpo": "GRPO", "sft": "SFT", "kl": "KL", "ms": "(ms)", "s": "(s)"}


@dataclass(frozen=True)
class Figure:
    """One key figure of the header."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Reason:
    """One line of the box that says why a run ended early."""

    title: str
    text: str
    tone: str


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
    words = name.replace("/", ": ").replace("_", " ").replace("-", " ").split()
    spoken = " ".join(_ACRONYMS.get(word.lower(), word) for word in words)
    return spoken[:1].upper() + spoken[1:] if words and words[0].lower() not in _ACRONYMS else spoken


def change(metric: MetricRecord) -> str:
    """`rose from 0.54 to 0.92 (+0.38, 95 % CI 0.31–0.44)`."""
    before, after = numbers.plain(metric.champion, metric.unit), numbers.plain(metric.candidate, metric.unit)
    digits = 2 if metric.unit in ("score", "ratio") else 1
    bounds = numbers.interval(metric.ci95, digits)
    inside = numbers.signed(metric.delta, digits) + ("" if bounds == numbers.DASH else f", 95 % CI {bounds}")
    if before == after:
        return f"stayed at {after} ({inside})"
    verb = "rose" if (metric.delta or 0) > 0 else "fell"
    return f"{verb} from {before} to {after} ({inside})"


def failed_rules(record: RunReport) -> list[Finding]:
    """Rules that were not met, then those without enough evidence."""
    findings = record.gate.findings if record.gate else ()
    return [finding for finding in findings if finding.ok is False] + [finding for finding in findings if finding.ok is None]


def reasons(record: RunReport) -> list[Reason]:
    """The evidence under the outcome sentence of a rejected or aborted run; empty where the sentence says it all."""
    if record.outcome == "rejected":
        return [
            Reason(title_of(rule.name), rule.reason or f"value {numbers.score(rule.value, 3)}, limit {numbers.score(rule.limit, 3)}",
                   "warn" if rule.ok is None else "bad")
            for rule in failed_rules(record)
        ]  # fmt: skip
    found = []
    if record.outcome == "aborted" and record.canary and record.canary.steps:
        step = record.canary.steps[-1]
        live = step.faithfulness
        proof = f"{step.verdict} after {numbers.count(step.requests)} requests to the new model"
        if live:
            bounds = numbers.interval(live.ci95)
            inside = numbers.signed(live.delta) + ("" if bounds == numbers.DASH else f", 95 % CI {bounds}")
            proof += f"; live faithfulness {numbers.score(live.canary)} against {numbers.score(live.stable)} ({inside})"
        found.append(Reason(f"At {step.weight} % of traffic", proof, "bad"))
        if record.release and record.release.reverted:
            found.append(Reason("Taken back", "the model pin in Git names the previous model again", "good"))
    return found


def why(record: RunReport) -> str:
    """The reason a run did not promote, without a full stop; empty for a promoted run."""
    if record.outcome == "promoted":
        return ""
    canary_reason = record.canary.reason if record.canary and record.outcome == "aborted" else ""
    if told := record.reason or canary_reason:
        return told.rstrip(". ")
    failed = failed_rules(record)
    if failed:
        return failed[0].reason.rstrip(". ") or f"{title_of(failed[0].name)} did not pass"
    if record.gate and record.gate.phase != "Successful":
        return f"the gate ended as {record.gate.phase}"
    return "the run recorded no reason"


def headline(record: RunReport) -> str:
    """The outcome as one sentence for a reader who knows nothing of the internals."""
    errors = record.canary.user_errors if record.canary else None
    if record.outcome == "promoted":
        metric = record.gate.metrics.get("faithfulness") if record.gate else None
        proof = f"faithfulness on unseen questions {change(metric)}" if metric else "the new model passed every check"
        weight = record.canary.steps[-1].weight if record.canary and record.canary.steps else 100
        return f"Promoted: {proof}; the new model serves {weight} % of traffic."
    if record.outcome == "rejected":
        return f"Rejected: {_lower(why(record))}. The current model keeps serving all traffic."
    seconds = record.canary.abort_seconds if record.canary else None
    speed = f" after {numbers.duration(seconds)}" if seconds is not None else ""
    harm = "" if errors is None else "; no user saw an error" if errors == 0 else f"; users saw {numbers.count(errors)} errors"
    return f"Aborted: {_lower(why(record))}. All traffic was back on the previous model{speed}{harm}."


def _lower(sentence: str) -> str:
    """Lower the first letter inside a sentence, but not of an acronym."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def key_figures(record: RunReport) -> list[Figure]:
    """Up to six figures that say most about the run."""
    figures = []
    metric = record.gate.metrics.get("faithfulness") if record.gate else None
    if metric:
        note = f"{numbers.signed(metric.delta)} on {numbers.count(metric.n)} unseen questions"
        figures.append(Figure("Faithfulness", f"{numbers.score(metric.champion)} → {numbers.score(metric.candidate)}", note, "good" if record.outcome == "promoted" else ""))
    if record.ingest:
        figures.append(Figure("Traces kept", numbers.count(record.ingest.written), f"of {numbers.count(record.ingest.read)} read"))
    if record.dataset:
        grpo = record.method == "grpo" and record.dataset.prompts is not None
        amount, kind = (record.dataset.prompts, "prompts") if grpo else (record.dataset.pairs, "preference pairs")
        figures.append(Figure("Training data", numbers.count(amount), kind))
    if record.canary:
        bad = record.canary.user_errors > 0
        figures.append(Figure("Users’ errors", numbers.count(record.canary.user_errors), "during the canary", "bad" if bad else "good"))
        if record.canary.abort_seconds is not None:
            figures.append(Figure("Time to abort", numbers.duration(record.canary.abort_seconds), "until traffic was safe"))
    figures.append(Figure("Whole run", numbers.duration(record.wall_seconds()), f"{record.method.upper()}, seed {record.seed}"))
    costs = [cost for cost in record.cost_usd.values() if cost is not None]
    if costs:
        figures.append(Figure("Cost", numbers.dollars(sum(costs)), "estimated"))
    return figures


def _facts(record: RunReport) -> dict[str, str]:
    """One short fact a stage."""
    facts = {}
    if record.ingest:
        facts["ingest"] = f"{numbers.count(record.ingest.read)} read"
        facts["govern"] = f"{numbers.count(record.ingest.written)} kept"
    if record.label:
        facts["label"] = f"{numbers.count(record.label.labelled)} scored"
    if record.dataset:
        grpo = record.method == "grpo" and record.dataset.prompts is not None
        facts["curate"] = f"{numbers.count(record.dataset.prompts)} prompts" if grpo else f"{numbers.count(record.dataset.pairs)} pairs"
    if record.train:
        facts["train"] = "reused" if record.train.reused else f"{numbers.count(record.train.steps)} steps"
    if record.gate:
        facts["gate"] = {"Successful": "passed", "Failed": "not passed"}.get(record.gate.phase, record.gate.phase.lower())
    if record.registry and record.registry.candidate is not None:
        facts["register"] = f"version {str(record.registry.candidate).rpartition('@')[2]}"
    if record.release and record.release.commit:
        facts["release"] = "taken back" if record.release.reverted else record.release.commit[:7]
    if record.canary:
        facts["canary"] = "aborted" if record.outcome == "aborted" else f"{record.canary.steps[-1].weight} %" if record.canary.steps else ""
    return facts


def _stopped_at(record: RunReport) -> str:
    """The stage where a run ended early; empty for a promoted run."""
    if record.outcome == "promoted":
        return ""
    if record.outcome == "aborted":
        return "canary"
    refused = [approval.name for approval in record.approvals if approval.decision == "rejected"]
    if refused:
        return refused[0]
    if record.gate and record.gate.phase != "Successful":
        return "gate"
    return next((name for name in reversed(record.seconds)), "")


def flow(record: RunReport) -> list[Stage]:
    """The stages in the order they ran, then those of the loop that were not reached."""
    facts, stopped = _facts(record), _stopped_at(record)
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
