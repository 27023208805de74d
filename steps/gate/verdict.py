"""The gate's decision: pure, from measurements and limits to a phase with one finding for each rule.

`Failed`: a rule is broken. `Inconclusive`: nothing is broken, but something could not be
measured or the golden set is too small to tell; a person decides. `Successful` needs every
rule to hold on finite numbers: a missing metric never passes.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from steps.config import GateConfig
from steps.core.refs import Frozen
from steps.gate.metrics import Measurements
from steps.gate.stats import Comparison
from steps.gate.suite import ARMS

Phase = Literal["Successful", "Failed", "Inconclusive"]


class Finding(Frozen):
    """One rule's answer.

    Attributes:
        name: the rule.
        value: what was measured.
        limit: what is allowed.
        interval: 95 % interval of the value, if it has one.
        ok: True held, False broken, None undecided.
        reason: one sentence with the numbers.
    """

    name: str
    value: float | None = None
    limit: float | None = None
    interval: tuple[float, float] | None = None
    ok: bool | None
    reason: str


class Verdict(Frozen):
    """The decision and everything it rests on."""

    phase: Phase
    reason: str
    findings: tuple[Finding, ...]


def decide(measured: Measurements, config: GateConfig) -> Verdict:
    """Apply every rule and combine the answers: broken beats undecided beats held."""
    of = measured.comparisons.get
    findings = [
        _enough_prompts(measured, config),
        *(_scored(arm, measured.unscored_ratio.get(arm, math.nan), config) for arm in ARMS),
        _at_least("min_faithfulness", of("faithfulness"), config.min_faithfulness),
        _at_least("min_answer_relevancy", of("answer_relevancy"), config.min_answer_relevancy),
        _not_worse("faithfulness_drop", of("faithfulness"), config.max_faithfulness_drop),
        _latency(of("p99_latency_ms"), config),
        _growth("refusal_growth", of("refusal"), config.max_refusal_growth),
        _length(of("length_words"), config),
        _growth("fluency_drop", of("fluency"), config.max_fluency_drop, sign=-1),
    ]
    if "gold_restated" in measured.comparisons:
        findings.append(_gold(of("gold_restated"), config))
    return combine(findings)


def combine(findings: list[Finding]) -> Verdict:
    """The phase that a list of findings means."""
    broken = [finding for finding in findings if finding.ok is False]
    open_ones = [finding for finding in findings if finding.ok is None]
    phase: Phase = "Failed" if broken else "Inconclusive" if open_ones or not findings else "Successful"
    told = broken or open_ones
    reason = "; ".join(finding.reason for finding in told) or f"all {len(findings)} rules hold"
    return Verdict(phase=phase, reason=reason, findings=tuple(findings))


def _finite(comparison: Comparison | None) -> Comparison | None:
    """The comparison if every number in it is finite."""
    if comparison is None:
        return None
    numbers = (comparison.champion, comparison.candidate, comparison.delta, comparison.low, comparison.high, comparison.standard_error)
    return comparison if all(math.isfinite(number) for number in numbers) else None


def _unmeasured(name: str, limit: float) -> Finding:
    return Finding(name=name, limit=limit, ok=None, reason=f"{name}: not measured")


def _enough_prompts(measured: Measurements, config: GateConfig) -> Finding:
    faithfulness = measured.comparisons.get("faithfulness")
    count = faithfulness.n if faithfulness else 0
    held = count >= config.min_prompts
    reason = f"{count} of {measured.prompts} golden questions compared, {config.min_prompts} needed"
    return Finding(name="golden_prompts", value=count, limit=config.min_prompts, ok=held or None, reason=reason)


def _scored(arm: str, ratio: float, config: GateConfig) -> Finding:
    name = f"{arm}_unscored"
    if not math.isfinite(ratio):
        return _unmeasured(name, config.max_unscored_ratio)
    reason = f"{ratio:.1%} of the {arm}'s answers are unscored, limit {config.max_unscored_ratio:.1%}"
    return Finding(name=name, value=ratio, limit=config.max_unscored_ratio, ok=ratio <= config.max_unscored_ratio or None, reason=reason)


def _at_least(name: str, comparison: Comparison | None, limit: float) -> Finding:
    """The candidate's own mean reaches a limit."""
    found = _finite(comparison)
    if found is None:
        return _unmeasured(name, limit)
    reason = f"candidate {name.removeprefix('min_')} {found.candidate:.3f}, at least {limit:.3f}"
    return Finding(name=name, value=found.candidate, limit=limit, ok=found.candidate >= limit, reason=reason)


def _not_worse(name: str, comparison: Comparison | None, max_drop: float) -> Finding:
    """Non-inferiority: the whole interval of the difference lies above the tolerated drop."""
    found = _finite(comparison)
    if found is None:
        return _unmeasured(name, -max_drop)
    shown = f"difference {found.delta:+.3f} (95 % CI {found.low:+.3f} to {found.high:+.3f}), tolerated {-max_drop:+.3f}"
    ok: bool | None = found.low >= -max_drop
    if found.delta < -max_drop:
        ok = False
    elif not ok:
        ok = None
        needed = found.prompts_to_settle(max_drop)
        shown += f"; {found.n} questions can detect a drop of {found.minimum_detectable_drop:.3f}"
        shown += f", about {needed} would settle it" if needed else ", and no number would settle it"
    return Finding(name=name, value=found.delta, limit=-max_drop, interval=(found.low, found.high), ok=ok, reason=f"{name}: {shown}")


def _latency(comparison: Comparison | None, config: GateConfig) -> Finding:
    """p99 growth within its limit, or a candidate fast enough that growth does not matter."""
    name, limit = "p99_latency_growth", config.max_p99_latency_growth_ratio
    found = _finite(comparison)
    if found is None:
        return _unmeasured(name, limit)
    fast_enough = found.candidate <= config.latency_floor_ms
    ok: bool | None = fast_enough or found.delta <= limit
    if not ok and found.low <= limit:
        ok = None
    reason = f"p99 latency {found.champion:.0f} ms to {found.candidate:.0f} ms, growth {found.delta:+.1%} (limit {limit:+.1%}"
    reason += f", irrelevant below {config.latency_floor_ms:.0f} ms)" if config.latency_floor_ms else ")"
    return Finding(name=name, value=found.delta, limit=limit, interval=(found.low, found.high), ok=ok, reason=reason)


def _growth(name: str, comparison: Comparison | None, limit: float, *, sign: int = 1) -> Finding:
    """A ratio may move by at most `limit` in the bad direction (sign -1: falling is bad)."""
    found = _finite(comparison)
    if found is None:
        return _unmeasured(name, limit)
    moved = sign * found.delta
    interval = (found.low, found.high) if sign > 0 else (-found.high, -found.low)
    reason = f"{name.replace('_', ' ')} {moved:+.3f} ({found.champion:.3f} to {found.candidate:.3f}), limit {limit:.3f}"
    return Finding(name=name, value=moved, limit=limit, interval=interval, ok=moved <= limit, reason=reason)


def _length(comparison: Comparison | None, config: GateConfig) -> Finding:
    """Longer answers score better with many judges; beyond a limit that is padding."""
    name, limit = "length_growth", config.max_length_growth_ratio
    found = _finite(comparison)
    if found is None or found.champion <= 0:
        return _unmeasured(name, limit)
    growth = found.candidate / found.champion - 1
    reason = f"answers grew {growth:+.1%} ({found.champion:.1f} to {found.candidate:.1f} words), limit {limit:+.1%}"
    return Finding(name=name, value=growth, limit=limit, ok=growth <= limit, reason=reason)


def _gold(comparison: Comparison | None, config: GateConfig) -> Finding:
    """The judge-free check: a candidate that certainly restates fewer gold facts has gamed its judge."""
    name, limit = "gold_restated_drop", -config.max_faithfulness_drop
    found = _finite(comparison)
    if found is None:
        return _unmeasured(name, limit)
    interval = f"95 % CI of the difference {found.low:+.3f} to {found.high:+.3f}"
    reason = f"gold facts restated {found.champion:.3f} to {found.candidate:.3f} ({interval})"
    return Finding(name=name, value=found.delta, limit=limit, interval=(found.low, found.high), ok=found.high >= limit, reason=reason)


def to_json(verdict: Verdict) -> list[dict[str, Any]]:
    """The findings as plain data."""
    return [finding.model_dump(mode="json") for finding in verdict.findings]
