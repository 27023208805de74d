"""The gate's decision: pure, from measurements and limits to a phase with one finding for each rule.

`Failed`: a rule is broken. `Inconclusive`: nothing is broken, but something could not be
measured or the golden set is too small to tell; a person decides. `Successful` needs every
rule to hold on finite numbers: a missing metric never passes.

A tolerance is kept only if the whole 95 % interval keeps it, so a candidate that is worse by
the tolerance passes at most once in 20 (`bench/gate_power.py`). What lies across the limit is
broken when the set is large enough to detect the tolerance, and undecided when it is not.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pydantic import Field

from steps.contract.config import GateConfig
from steps.contract.refs import Frozen
from steps.contract.spec import Phase
from steps.gate.metrics import Measurements
from steps.gate.stats import Comparison
from steps.gate.suite import ARMS
from steps.scoring.drift import Drift


class RuleResult(Frozen):
    """Finding of one rule."""

    name: str = Field(description="the rule")
    value: float | None = Field(default=None, description="what was measured")
    limit: float | None = Field(default=None, description="what is allowed")
    interval: tuple[float, float] | None = Field(default=None, description="95 % interval of the value, if it has one")
    n: int | None = Field(default=None, description="prompts that it rests on")
    power: float | None = Field(
        default=None, description="how often equal models would keep this rule with such a set, 0-1; for tolerances"
    )
    ok: bool | None = Field(description="True held, False broken, None undecided")
    reason: str = Field(description="one sentence with the numbers")


class Verdict(Frozen):
    """The decision and everything it rests on."""

    phase: Phase
    reason: str
    findings: tuple[RuleResult, ...]


def decide(measured: Measurements, config: GateConfig) -> Verdict:
    """Apply every rule and combine the answers: broken beats undecided beats held."""
    of = measured.comparisons.get
    findings = [
        _enough_prompts(measured, config),
        *(_scored(arm, measured.unscored_ratio.get(arm, math.nan), config) for arm in ARMS),
        _at_least("min_faithfulness", of("faithfulness"), config.min_faithfulness),
        _at_least("min_answer_relevancy", of("answer_relevancy"), config.min_answer_relevancy),
        _within("faithfulness_drop", _drop(of("faithfulness")), config.max_faithfulness_drop),
        _latency(of("p99_latency_ms"), config),
        _within("refusal_growth", of("refusal"), config.max_refusal_growth),
        _within("length_growth", _relative(of("length_words")), config.max_length_growth_ratio),
        _within("fluency_drop", _drop(of("fluency")), config.max_fluency_drop),
    ]
    if "gold_restated" in measured.comparisons:
        findings.append(_gold(of("gold_restated"), config))
    if measured.drift is not None:
        findings += [_drift(drift) for drift in measured.drift]
    return combine(findings)


def combine(findings: list[RuleResult]) -> Verdict:
    """The phase that a list of findings means."""
    broken = [finding for finding in findings if finding.ok is False]
    open_ones = [finding for finding in findings if finding.ok is None]
    phase: Phase = "Failed" if broken else "Inconclusive" if open_ones or not findings else "Successful"
    reason = "; ".join(finding.reason for finding in broken or open_ones) or f"all {len(findings)} rules hold"
    return Verdict(phase=phase, reason=reason, findings=tuple(findings))


def _finite(comparison: Comparison | None) -> Comparison | None:
    """The comparison if every number in it is finite."""
    if comparison is None:
        return None
    numbers = (comparison.champion, comparison.candidate, comparison.delta, comparison.low, comparison.high, comparison.standard_error)
    return comparison if all(math.isfinite(number) for number in numbers) else None


def _unmeasured(name: str, limit: float) -> RuleResult:
    return RuleResult(name=name, limit=limit, ok=None, reason=f"{name}: not measured")


def _enough_prompts(measured: Measurements, config: GateConfig) -> RuleResult:
    faithfulness = measured.comparisons.get("faithfulness")
    count = faithfulness.n if faithfulness else 0
    held = count >= config.min_prompts
    reason = f"{count} of {measured.prompts} golden questions compared, {config.min_prompts} needed"
    return RuleResult(name="golden_prompts", value=count, limit=config.min_prompts, n=count, ok=held or None, reason=reason)


def _scored(arm: str, ratio: float, config: GateConfig) -> RuleResult:
    name = f"{arm}_unscored"
    if not math.isfinite(ratio):
        return _unmeasured(name, config.max_unscored_ratio)
    reason = f"{ratio:.1%} of the {arm}'s answers are unscored, limit {config.max_unscored_ratio:.1%}"
    return RuleResult(name=name, value=ratio, limit=config.max_unscored_ratio, ok=ratio <= config.max_unscored_ratio or None, reason=reason)


def _at_least(name: str, comparison: Comparison | None, limit: float) -> RuleResult:
    """Finding of a limit for the candidate's own mean."""
    finite = _finite(comparison)
    if finite is None:
        return _unmeasured(name, limit)
    reason = f"candidate {name.removeprefix('min_')} {finite.candidate:.3f}, at least {limit:.3f}"
    return RuleResult(name=name, value=finite.candidate, limit=limit, n=finite.n, ok=finite.candidate >= limit, reason=reason)


def _drop(comparison: Comparison | None) -> Comparison | None:
    """The same comparison with the harmful direction up."""
    if comparison is None:
        return None
    return replace(comparison, delta=-comparison.delta, low=-comparison.high, high=-comparison.low)


def _relative(comparison: Comparison | None) -> Comparison | None:
    """Difference, interval and error as shares of the champion's value; None when that is not above 0."""
    if comparison is None or not comparison.champion > 0:
        return None
    base = comparison.champion
    parts = {name: getattr(comparison, name) / base for name in ("delta", "low", "high", "standard_error")}
    return replace(comparison, **parts)


def _within(name: str, comparison: Comparison | None, limit: float) -> RuleResult:
    """Finding of non-inferiority: the whole interval of the harm lies within the tolerance.

    Args:
        name: the rule.
        comparison: its difference counts harm upwards.
        limit: the harm that is tolerated.
    """
    finite = _finite(comparison)
    if finite is None:
        return _unmeasured(name, limit)
    half = max(finite.high - finite.delta, finite.delta - finite.low)
    detects = finite.detectable(half)
    ok: bool | None = finite.high <= limit
    shown = f"{finite.delta:+.3f} (95 % CI {finite.low:+.3f} to {finite.high:+.3f}), tolerated {limit:+.3f}"
    if not ok:
        # Beyond the limit for certain, or measured beyond it by a set that can tell.
        beyond = finite.low > limit or (finite.delta > limit and detects <= limit)
        ok = False if beyond else None
        needed = finite.prompts_needed(half, limit) if detects > limit and not beyond else 0
        shown += f"; {finite.n} questions can detect {detects:.3f}, about {needed} would do" if needed else ""
    reason = f"{name.replace('_', ' ')} {shown}"
    return RuleResult(
        name=name,
        value=finite.delta,
        limit=limit,
        interval=(finite.low, finite.high),
        n=finite.n,
        power=finite.power(half, limit),
        ok=ok,
        reason=reason,
    )


def _latency(comparison: Comparison | None, config: GateConfig) -> RuleResult:
    """Finding of the latency: p99 growth within its limit, or a candidate fast enough that growth does not matter."""
    result = _within("p99_latency_growth", comparison, config.max_p99_latency_growth_ratio)
    measured = _finite(comparison)
    if measured is None:
        return result
    reason = f"p99 latency {measured.champion:.0f} ms to {measured.candidate:.0f} ms, {result.reason.removeprefix('p99 latency ')}"
    if config.latency_floor_ms:
        reason += f", irrelevant below {config.latency_floor_ms:.0f} ms"
    fast_enough = measured.candidate <= config.latency_floor_ms
    return result.model_copy(update={"ok": True if fast_enough else result.ok, "reason": reason})


def _gold(comparison: Comparison | None, config: GateConfig) -> RuleResult:
    """Finding of the check without a judge: a candidate that certainly restates fewer gold facts has gamed its judge."""
    name, limit = "gold_restated_drop", -config.max_faithfulness_drop
    finite = _finite(comparison)
    if finite is None:
        return _unmeasured(name, limit)
    interval = f"95 % CI of the difference {finite.low:+.3f} to {finite.high:+.3f}"
    reason = f"gold facts restated {finite.champion:.3f} to {finite.candidate:.3f} ({interval})"
    ok = finite.high >= limit
    return RuleResult(name=name, value=finite.delta, limit=limit, interval=(finite.low, finite.high), n=finite.n, ok=ok, reason=reason)


def _drift(drift: Drift) -> RuleResult:
    """Finding of a judge's drift: one that scores the stored answers otherwise than it did cannot be compared with its past."""
    return RuleResult(
        name=f"{drift.role}_judge_drift", value=drift.shift, limit=drift.limit, n=drift.answers, ok=drift.ok or None, reason=drift.reason
    )


def to_json(verdict: Verdict) -> list[dict[str, Any]]:
    """The findings as plain data."""
    return [finding.model_dump(mode="json") for finding in verdict.findings]
