from __future__ import annotations

import pytest

from steps.canary.evaluation import VersionWindow
from steps.contract.config import CanaryConfig
from steps.laptop.canary import Canary, Sample

FAST = CanaryConfig(interval_s=0.01, step_timeout_s=0.2, min_samples=30, min_requests=40, max_p99_latency_ratio=1.5)


def window(count=100, *, score=0.9, errors=0, p99=50.0):
    good = round(count * score)
    return VersionWindow(
        requests=count, errors=errors, p99_latency_ms=p99 if count else None, scored=count, score_sum=good, score_square_sum=good
    )


class Weights:
    def __init__(self):
        self.set = []

    def set_weight(self, canary_percent):
        self.set.append(canary_percent)


class Counters:
    """A canary that behaves as told at each weight."""

    def __init__(self, weights, canary):
        self.weights, self.canary = weights, canary

    def mark(self):
        return None

    def since(self, _moment):
        weight = self.weights.set[-1] if self.weights.set else 0
        return Sample(window(1000, score=0.6), self.canary(weight) if weight else window(0))


def run(canary, config=FAST):
    weights = Weights()
    result = Canary(weights, Counters(weights, canary), config, lambda _: None).run()
    return result, weights.set


@pytest.fixture(autouse=True)
def no_settling(monkeypatch):
    monkeypatch.setattr("steps.laptop.canary.SETTLE_S", 0)


def test_a_better_canary_walks_every_weight():
    result, weights = run(lambda _: window())
    assert (result.outcome, weights) == ("promoted", [5, 25, 100])
    assert [step["verdict"] for step in result.steps] == ["Successful"] * 3
    assert result.abort_seconds is None


@pytest.mark.parametrize(
    ("canary", "word"),
    [
        (lambda _: window(score=0.3), "faithfulness"),
        (lambda _: window(errors=20), "error_ratio"),
        (lambda _: window(p99=500.0), "p99_latency"),
        (lambda _: window(20), "no verdict in time"),
        (lambda _: window(0), "no verdict in time"),
        (lambda weight: window() if weight < 25 else window(score=0.2), "at 25 %"),
    ],
)
def test_a_bad_or_silent_canary_is_aborted(canary, word):
    result, weights = run(canary)
    assert result.outcome == "aborted"
    assert weights[-1] == 0, "traffic must be back on stable"
    assert word in result.reason
    assert result.abort_seconds is not None


def test_analysis_at_full_weight_compares_with_stable_before():
    result, _ = run(lambda _: window())
    assert result.steps[-1]["faithfulness"]["stable"] == pytest.approx(0.6)
