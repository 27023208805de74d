"""The embedded verdict and the cluster's are one: over random windows, and when one number changes."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import pairwise

import pytest

from steps.canary.evaluation import VersionWindow, analyse, evaluate
from steps.canary.promql import Source, background_metric, conditions, query
from steps.canary.rules import RULES
from steps.contract.config.canary import CanaryConfig
from steps.serve.gateway.envoy_stats import ClusterStats
from workflows.generate.derived import canary_values

from .rollouts import measure, phase_of
from .scenarios import CONFIG
from .series import NOW, Series

WINDOWS = 120
EDGES = (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, math.inf)
ONE_WINDOW = CONFIG.model_copy(
    update={"long_window_s": 300.0, "min_requests": 100, "min_p99_requests": 150, "min_samples": 60, "max_error_ratio_growth": 0.03}
)


@dataclass(frozen=True)
class Drawn:
    """One version's window, as numbers and as the series that hold the same numbers."""

    source: Source
    window: VersionWindow
    series: list[Series]


def draw(rng: random.Random, name: str) -> Drawn:
    """Counts near every minimum and values near every limit, some of them absent."""
    requests, scored, votes = rng.randint(0, 400), rng.randint(0, 200), rng.randint(0, 90)
    errors = rng.randint(0, requests // 12)
    # Each version is good or less so, and fast or slow, by its own draw.
    skill, speed = rng.choice([0.1, 0.2, 0.5]), rng.choice([0.001, 1.0])
    scores = [rng.random() ** skill for _ in range(scored)]
    relevancy = [rng.random() ** skill for _ in range(scored)]
    up = rng.randint(votes // 2, votes)
    parts = sorted(round(requests * rng.random() ** speed) for _ in range(len(EDGES) - 1))
    buckets = dict(zip(EDGES, [*parts, requests], strict=True))
    waiting = rng.uniform(0, 8)
    source = Source(f"kube_{name}", f"hash-{name}")
    made: list[Series] = []

    def grown(metric: str, labels: dict[str, str], by: float) -> None:
        # Samples at both ends of the window, far from zero: nothing is extrapolated.
        made.append(Series(metric, labels, ((NOW - 299.999, 1e6), (NOW, 1e6 + by))))

    gateway, quality = {"envoy_cluster_name": source.cluster}, {"pod_template_hash": source.pod_hash}
    grown("envoy_cluster_upstream_rq_xx", gateway | {"envoy_response_code_class": "2"}, requests - errors)
    if errors:
        grown("envoy_cluster_upstream_rq_xx", gateway | {"envoy_response_code_class": "5"}, errors)
    for edge, count in buckets.items():
        grown("envoy_cluster_upstream_rq_time_bucket", gateway | {"le": "+Inf" if math.isinf(edge) else f"{edge:g}"}, count)
    for metric, values in (("faithfulness", scores), ("answer_relevancy", relevancy)):
        for part, total in (("count", len(values)), ("sum", sum(values)), ("square_sum", sum(value * value for value in values))):
            grown(f"ctp_quality_{metric}_{part}", quality, total)
    grown("ctp_quality_feedback_up_total", quality, up)
    grown("ctp_quality_feedback_down_total", quality, votes - up)
    pods = {"rollouts_pod_template_hash": source.pod_hash}
    grown("vllm:request_success_total", pods, requests)
    made.append(Series("vllm:num_requests_waiting", pods, ((NOW - 200, waiting), (NOW, waiting))))
    window = VersionWindow(
        requests=requests,
        errors=errors,
        p99_latency_ms=ClusterStats({"2": requests}, buckets).p99_ms,
        scored=scored,
        score_sum=sum(scores),
        score_square_sum=sum(value * value for value in scores),
        relevancy_scored=scored,
        relevancy_sum=sum(relevancy),
        relevancy_square_sum=sum(value * value for value in relevancy),
        feedback_up=up,
        feedback_down=votes - up,
        waiting=waiting,
    )
    return Drawn(source, window, made)


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    rng = random.Random(20260105)
    return [draw(rng, f"window-{index}") for index in range(WINDOWS)]


@pytest.fixture(scope="module")
def held(start_prometheus, drawn):
    return start_prometheus(series=[series for one in drawn for series in one.series])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_both_worlds_come_to_the_same_verdict(held, drawn, rule):
    metric = dict(zip(("successCondition", "failureCondition"), conditions(rule, ONE_WINDOW), strict=True))
    seen: dict[str, int] = {}
    for stable, canary in pairwise(drawn):
        result = held.values(query(rule, ONE_WINDOW, stable.source, canary.source))
        ours = evaluate(rule, stable.window.side(), canary.window.side(), ONE_WINDOW).phase
        if result and abs(result[0] - rule.limit(ONE_WINDOW)) < 1e-4:
            continue
        assert phase_of(metric, result) == ours, f"{stable.window} {canary.window} {result}"
        seen[ours] = seen.get(ours, 0) + 1
    assert set(seen) == {"Successful", "Failed", "Inconclusive"}, f"the windows are too alike to compare: {seen}"


def versions(p99: float = 100.0, score: float = 0.9, **changes: float) -> VersionWindow:
    good = 1000 * score
    values = {
        "requests": 1000, "errors": 0, "p99_latency_ms": p99, "scored": 1000, "score_sum": good, "score_square_sum": good,
        "relevancy_scored": 1000, "relevancy_sum": good, "relevancy_square_sum": good,
        "feedback_up": 900, "feedback_down": 100, "waiting": 1.0,
    }  # fmt: skip
    return VersionWindow(**(values | changes))


@pytest.mark.parametrize(
    ("key", "loose", "strict", "canary"),
    [
        ("max_error_ratio_growth", 0.05, 0.01, versions(errors=30)),
        ("max_p99_latency_ratio", 1.5, 1.1, versions(p99=130.0)),
        ("p99_latency_floor_ms", 200.0, 0.0, versions(p99=130.0)),
        ("max_faithfulness_drop", 0.1, 0.01, versions(score=0.86)),
        ("faithfulness_backstop", 0.2, 0.02, versions(score=0.87)),
        ("max_answer_relevancy_drop", 0.1, 0.01, versions(relevancy_sum=850.0, relevancy_square_sum=850.0)),
        ("max_feedback_drop", 0.2, 0.01, versions(feedback_up=850, feedback_down=150)),
        ("max_waiting_growth", 10.0, 1.0, versions(waiting=4.0)),
    ],
)
def test_a_changed_threshold_changes_both_worlds(key, loose, strict, canary):
    tolerant, severe = (CONFIG.model_copy(update={"max_faithfulness_drop": 0.2, key: value}) for value in (loose, strict))
    assert analyse(versions(), canary, tolerant).phase == "Successful"
    assert analyse(versions(), canary, severe).phase == "Failed"
    assert canary_values(tolerant) != canary_values(severe)


@pytest.mark.parametrize("key", ["min_requests", "min_p99_requests", "min_samples", "min_feedback"])
def test_a_changed_minimum_changes_both_worlds(key):
    enough, more = CONFIG, CONFIG.model_copy(update={key: 5000})
    assert analyse(versions(), versions(), enough).phase == "Successful"
    assert analyse(versions(), versions(), more).phase == "Inconclusive"
    assert ">= 5000" in str(canary_values(more)) and ">= 5000" not in str(canary_values(enough))


def test_the_minimum_is_honoured_by_prometheus(held, drawn):
    least = ONE_WINDOW.model_copy(update={"min_requests": 10**6})
    stable, canary = drawn[0], drawn[1]
    metric = background_metric(RULES[0], least) | {"query": query(RULES[0], least, stable.source, canary.source)}
    assert measure(held, metric, {}) == "Inconclusive"


@pytest.mark.parametrize("changed", [{"weights": (10, 100), "holds_s": (60.0,)}, {"questions": ("faithfulness",)}])
def test_steps_and_questions_reach_the_cluster(changed):
    config = CanaryConfig(**changed)
    made = canary_values(config)
    assert [step["weight"] for step in made["steps"]] == list(config.weights)
    assert [analysis["name"].replace("-", "_") for analysis in made["analyses"]] == list(config.questions)
