"""Canaries that behave in one way each, with the verdict that every question must come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from steps.contract.config.canary import CanaryConfig

from .series import SLOW, Series, Traffic, Version, version_series

CONFIG = CanaryConfig(
    questions=("error_ratio", "p99_latency", "faithfulness", "answer_relevancy", "user_feedback", "saturation"),
    window_s=300,
    long_window_s=1200,
    interval_s=30,
    step_timeout_s=300,
    max_idle_s=1800,
    max_outage_s=300,
    p99_latency_backstop_ratio=2.0,
    max_answer_relevancy_drop=0.03,
)
SPAN_S = 1500.0
GOOD = Traffic()
BAD = Traffic(error_ratio=0.2, latency=SLOW, score=0.6, thumbs_up_ratio=0.5, waiting=20.0)
BUSY = replace(GOOD, requests_per_s=19.0)


def stable_of(name: str) -> Version:
    return Version(f"kube_{name}_agent-model-stable_8000", f"{name}-stable")


def canary_of(name: str) -> Version:
    return Version(f"kube_{name}_agent-model-canary_8000", f"{name}-canary")


def arguments(name: str) -> dict[str, str]:
    """The arguments of the scenario's AnalysisRun."""
    stable, canary = stable_of(name), canary_of(name)
    return {
        "stable-cluster": stable.cluster,
        "canary-cluster": canary.cluster,
        "stable-hash": stable.pod_hash,
        "canary-hash": canary.pod_hash,
    }


def both(name: str, stable: Traffic, canary: Traffic, **options: object) -> list[Series]:
    """Series of both versions; options are the canary's."""
    return [
        *version_series(stable_of(name), stable, span_s=SPAN_S),
        *version_series(canary_of(name), canary, span_s=SPAN_S, **options),  # type: ignore[arg-type]
    ]


def one_bad_pod(name: str) -> list[Series]:
    """One canary pod of ten is broken: a tenth of the canary's requests go wrong, and its queue grows."""
    pods = {f"pod-{index}": 0.5 for index in range(9)} | {"pod-9": 40.0}
    worse = replace(BAD, error_ratio=1.0, score=0.0, thumbs_up_ratio=0.0)
    return both(name, replace(BUSY, requests_per_s=10.0), replace(GOOD, requests_per_s=10.0).mixed(worse, 0.1), pods=pods)


MAKERS: dict[str, Callable[[str], list[Series]]] = {
    "healthy": lambda name: both(name, BUSY, GOOD),
    "better": lambda name: both(name, replace(BUSY, score=0.8), GOOD),
    "regressed": lambda name: both(name, BUSY, BAD),
    # Its pods are up and scraped, nobody asks.
    "canary-idle": lambda name: both(name, BUSY, replace(GOOD, requests_per_s=0.0)),
    # Before the first weight: the gateway does not show what was never used.
    "no-canary": lambda name: version_series(stable_of(name), BUSY, span_s=SPAN_S),
    "no-stable": lambda name: version_series(canary_of(name), GOOD, span_s=SPAN_S),
    "no-data": lambda name: [],
    "too-few": lambda name: both(name, BUSY, replace(GOOD, requests_per_s=0.01)),
    "nan": lambda name: both(name, BUSY, GOOD, nan=True),
    "healthy-reset": lambda name: both(name, BUSY, GOOD, reset_s=130.0),
    "regressed-reset": lambda name: both(name, BUSY, BAD, reset_s=130.0),
    "one-bad-pod": one_bad_pod,
    # 19 to 1: stable still has twice the canary's failed requests.
    "ten-times-errors": lambda name: both(name, replace(BUSY, error_ratio=0.005), replace(GOOD, requests_per_s=1.0, error_ratio=0.05)),
    "slow-only": lambda name: both(name, BUSY, replace(GOOD, latency=SLOW)),
    "unfaithful-only": lambda name: both(name, BUSY, replace(GOOD, score=0.75)),
}
PASSES = {"healthy", "better", "healthy-reset"}
FAILS = {"regressed", "regressed-reset", "one-bad-pod"}
UNKNOWN = {"canary-idle", "no-canary", "no-stable", "no-data", "too-few", "nan"}
# Scenario -> the rules that fail; the others pass.
SOME_FAIL = {
    "ten-times-errors": {"error-ratio"},
    "slow-only": {"p99-latency", "p99-latency-backstop"},
    "unfaithful-only": {"faithfulness", "faithfulness-backstop", "answer-relevancy"},
}


def expected(scenario: str, rule: str) -> str:
    """The phase that a rule must come to."""
    if scenario in SOME_FAIL:
        return "Failed" if rule in SOME_FAIL[scenario] else "Successful"
    return "Successful" if scenario in PASSES else "Failed" if scenario in FAILS else "Inconclusive"


def all_series() -> list[Series]:
    """The series of every scenario."""
    return [series for name, make in MAKERS.items() for series in make(name)]
