"""What the page says in words: the outcome sentence, the reason and key figures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from steps.contract.pipeline import GATE
from steps.laptop.report import numbers
from steps.laptop.report.record import Finding, MetricRecord, RunReport
from steps.laptop.report.stages import stopped_at, title_of
from steps.laptop.report.timeline import tone_of

REASON_CHARS = 240
"""Longest reason in the outcome sentence, which should stay one sentence."""


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


def because(rule: Finding) -> str:
    """A rule's reason without its own name in front, which stands beside it."""
    return _minus(rule.reason.removeprefix(f"{rule.name}: "))


def _minus(sentence: str) -> str:
    """Real minus signs before numbers."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", sentence)


def failed_rules(record: RunReport) -> list[Finding]:
    """Rules that were not met, then those without enough evidence."""
    findings = record.gate.findings if record.gate else ()
    return [finding for finding in findings if finding.ok is False] + [finding for finding in findings if finding.ok is None]


def reasons(record: RunReport) -> list[Reason]:
    """The evidence under the outcome sentence of a rejected or aborted run; empty where the sentence says it all."""
    if record.outcome == "rejected":
        return [
            Reason(title_of(rule.name), because(rule) or f"{numbers.measure(rule.value)}, limit {numbers.measure(rule.limit)}", tone)
            for rule in failed_rules(record)
            for tone in ("warn" if rule.ok is None else "bad",)
        ]
    entries = []
    if record.outcome == "aborted" and record.canary and record.canary.steps:
        step = record.canary.steps[-1]
        live = step.faithfulness
        proof = f"verdict {step.verdict} after {numbers.count(step.requests)} requests"
        if live:
            bounds = numbers.interval(live.ci95)
            inside = numbers.signed(live.delta) + ("" if bounds == numbers.DASH else f", 95 % CI {bounds}")
            proof += f"; live faithfulness {numbers.score(live.canary)} against {numbers.score(live.stable)} ({inside})"
        entries.append(Reason(f"At {step.weight} % of traffic", proof, "bad"))
        explanation = re.sub(r"^at \d+ %: ", "", record.canary.reason or record.reason)
        repeats_live = live is not None and explanation.startswith("faithfulness:") and "; " not in explanation
        if explanation and not repeats_live:
            entries.append(Reason("The analysis", _minus(explanation), "bad"))
        if record.release and record.release.reverted:
            entries.append(Reason("Taken back", "the model pin in Git names the previous model again", "good"))
    return entries


def why(record: RunReport) -> str:
    """The reason a run did not promote, without a full stop; empty for a promoted run."""
    if record.outcome == "promoted":
        return ""
    if record.outcome == "rejected" and record.gate and stopped_at(record) == GATE.name:
        return _gate_reason(record)
    reason = record.reason or (record.canary.reason if record.canary else "")
    if record.outcome == "aborted" and (proof := _worse_on_live_traffic(record)):
        return proof
    reason = _minus(re.sub(r"^at (\d+) %: ", r"at \1 % of live traffic, ", reason))
    reason = reason if len(reason) <= REASON_CHARS else reason[:REASON_CHARS].rstrip() + "…"
    return reason.rstrip(". ") or "the run recorded no reason"


def _worse_on_live_traffic(record: RunReport) -> str:
    """The plain sentence for the usual abort: live faithfulness certainly fell; empty when something else went wrong."""
    step = record.canary.steps[-1] if record.canary and record.canary.steps else None
    live = step.faithfulness if step else None
    if step is None or live is None or live.ci95 is None or live.ci95[1] is None or live.ci95[1] >= 0 or tone_of(step.verdict) != "bad":
        return ""
    ours, theirs = numbers.score(live.canary), numbers.score(live.stable)
    return f"at {step.weight} % of live traffic the new model’s faithfulness was {ours}, the current one’s {theirs}"


def _gate_reason(record: RunReport) -> str:
    """What the gate found, in a manager's words; the rules themselves stand in the box below."""
    gate, rules = record.gate, failed_rules(record)
    if gate is None or not rules:
        return _minus(record.reason).rstrip(". ")[:REASON_CHARS] or "the gate did not pass"
    certain = [rule for rule in rules if rule.ok is False]
    named = ", ".join(_lower(title_of(rule.name)) for rule in (certain or rules)[:3])
    lacking = "did not hold" if certain else "lacked the evidence to decide"
    verdict = f"{len(certain or rules)} of the gate’s {len(gate.findings)} rules {lacking} ({named})"
    metric = gate.metrics.get("faithfulness")
    if metric is None:
        return verdict
    return f"{verdict}{', although' if (metric.delta or 0) > 0 else ';'} faithfulness on unseen questions {change(metric)}"


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
        figures.append(
            Figure(
                "Faithfulness",
                f"{numbers.score(metric.champion)} → {numbers.score(metric.candidate)}",
                note,
                "good" if record.outcome == "promoted" else "",
            )
        )
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
        figures.append(Figure("Cost", numbers.dollars(sum(costs)), "metered"))
    return figures[:6]
