from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from steps.serve.quality.counters import MAX_VERSIONS, Budget, QualityCounters

V3 = ("m", "3", "5d4f")
LABEL = '{model_name="m",model_version="3",pod_template_hash="5d4f"}'


def rendered(counters: QualityCounters, *, scrapes: int = 2) -> list[str]:
    """The series of the last scrape."""
    registry = CollectorRegistry()
    registry.register(counters)
    for _ in range(scrapes):
        text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_sums_give_mean_and_variance() -> None:
    counters = QualityCounters()
    for score in (1.0, 0.5, 0.0):
        counters.scored(V3, {"faithfulness": score, "answer_relevancy": 0.5 if score else None})
    counters.skipped(V3, "unscored")
    counters.feedback(V3, 1.0)
    counters.feedback(V3, 0.0)
    assert set(rendered(counters)) == {
        f"ctp_quality_faithfulness_count{LABEL} 3.0",
        f"ctp_quality_faithfulness_sum{LABEL} 1.5",
        f"ctp_quality_faithfulness_square_sum{LABEL} 1.25",
        f"ctp_quality_answer_relevancy_count{LABEL} 2.0",
        f"ctp_quality_answer_relevancy_sum{LABEL} 1.0",
        f"ctp_quality_answer_relevancy_square_sum{LABEL} 0.5",
        f'ctp_quality_scored_total{LABEL[:-1]},status="scored"}} 3.0',
        f'ctp_quality_scored_total{LABEL[:-1]},status="unscored"}} 1.0',
        f"ctp_quality_feedback_up_total{LABEL} 1.0",
        f"ctp_quality_feedback_down_total{LABEL} 1.0",
    }


def test_series_begin_at_zero() -> None:
    """Prometheus counts nothing that was there at its first look."""
    counters = QualityCounters()
    counters.scored(V3, {"faithfulness": 1.0})
    assert {line.rpartition(" ")[2] for line in rendered(counters, scrapes=1)} == {"0.0"}
    assert f"ctp_quality_faithfulness_count{LABEL} 1.0" in rendered(counters, scrapes=1)


def test_pods_of_one_version_are_told_apart() -> None:
    counters = QualityCounters()
    for pods in ("stable", "canary"):
        counters.scored(("m", "3", pods), {"faithfulness": 1.0})
    assert sum("faithfulness_count" in line for line in rendered(counters)) == 2


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_out_of_range_is_not_counted(score: float) -> None:
    counters = QualityCounters()
    with pytest.raises(ValueError, match="not within 0 and 1"):
        counters.scored(V3, {"answer_relevancy": 0.5, "faithfulness": score})
    assert rendered(counters) == []


def test_versions_cannot_flood_the_metrics() -> None:
    counters = QualityCounters()
    for number in range(MAX_VERSIONS + 50):
        counters.skipped(("m", f"{number}" + "x" * 500, "y" * 500), "error")
    labels = {line.split("{")[1].split("}")[0] for line in rendered(counters) if "scored_total" in line}
    assert len(labels) == MAX_VERSIONS + 1
    assert max(map(len, labels)) < 260


def test_each_version_has_its_own_budget() -> None:
    now = [0.0]
    budget = Budget(max_per_s=2, clock=lambda: now[0])
    taken = [budget.take(("m", "1", "stable")) for _ in range(6)]
    assert taken == [True] * 4 + [False] * 2
    assert budget.take(("m", "2", "canary"))
    now[0] = 1.0
    assert [budget.take(("m", "1", "stable")) for _ in range(3)] == [True, True, False]


def test_a_budget_in_all() -> None:
    budget = Budget(max_per_s=100, max_in_all=2)
    assert [budget.take(("m", "1", "")) for _ in range(3)] == [True, True, False]
