from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from steps.serve.quality_counters import MAX_VERSIONS, Budget, QualityCounters


def rendered(counters: QualityCounters) -> list[str]:
    registry = CollectorRegistry()
    registry.register(counters)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_sums_give_mean_and_variance() -> None:
    counters = QualityCounters()
    for score in (1.0, 0.5, 0.0):
        counters.scored("m", "3", score)
    counters.skipped("m", "3", "unscored")
    counters.feedback("m", "3", 1.0)
    counters.feedback("m", "3", 0.0)
    label = '{model_name="m",model_version="3"}'
    assert set(rendered(counters)) == {
        f"ctp_quality_faithfulness_count{label} 3.0",
        f"ctp_quality_faithfulness_sum{label} 1.5",
        f"ctp_quality_faithfulness_square_sum{label} 1.25",
        'ctp_quality_scored_total{model_name="m",model_version="3",status="scored"} 3.0',
        'ctp_quality_scored_total{model_name="m",model_version="3",status="unscored"} 1.0',
        f"ctp_quality_feedback_up_total{label} 1.0",
        f"ctp_quality_feedback_down_total{label} 1.0",
    }


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_out_of_range_is_not_counted(score: float) -> None:
    counters = QualityCounters()
    with pytest.raises(ValueError, match="not within 0 and 1"):
        counters.scored("m", "3", score)
    assert rendered(counters) == []


def test_versions_cannot_flood_the_metrics() -> None:
    counters = QualityCounters()
    for number in range(MAX_VERSIONS + 50):
        counters.skipped("m", f"{number}" + "x" * 500, "error")
    labels = {line.split("{")[1].split("}")[0] for line in rendered(counters) if "scored_total" in line}
    assert len(labels) == MAX_VERSIONS + 1
    assert max(map(len, labels)) < 200


def test_each_version_has_its_own_budget() -> None:
    now = [0.0]
    budget = Budget(max_per_s=2, clock=lambda: now[0])
    taken = [budget.take(("m", "stable")) for _ in range(6)]
    assert taken == [True] * 4 + [False] * 2
    assert budget.take(("m", "canary"))
    now[0] = 1.0
    assert [budget.take(("m", "stable")) for _ in range(3)] == [True, True, False]


def test_a_budget_in_all() -> None:
    budget = Budget(max_per_s=100, max_in_all=2)
    assert [budget.take(("m", "1")) for _ in range(3)] == [True, True, False]
