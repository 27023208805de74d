"""Every analysis query in a real Prometheus: the verdict for each behaviour of a canary, and Rollouts' course from there."""

from __future__ import annotations

import pytest
import yaml

from steps.canary.promql import background_metric, query, step_metric
from steps.canary.rules import RULES

from .rollouts import assess, filled, measure
from .scenarios import CONFIG, MAKERS, arguments, expected
from .series import NOW

BY_NAME = {rule.name: rule for rule in RULES}


@pytest.mark.parametrize("scenario", MAKERS)
@pytest.mark.parametrize("name", BY_NAME)
def test_the_verdict_of_every_question(prometheus, scenario, name):
    metric = background_metric(BY_NAME[name], CONFIG)
    assert measure(prometheus, metric, arguments(scenario)) == expected(scenario, name), prometheus.values(
        filled(metric["query"], arguments(scenario))
    )


@pytest.mark.parametrize("name", BY_NAME)
def test_both_kinds_of_analysis_ask_the_same(name):
    background, step = background_metric(BY_NAME[name], CONFIG), step_metric(BY_NAME[name], CONFIG)
    for key in ("query", "successCondition", "failureCondition", "consecutiveErrorLimit"):
        assert background[key] == step[key]


@pytest.fixture(scope="module")
def dead(start_prometheus):
    prometheus = start_prometheus()
    prometheus.stop()
    return prometheus


@pytest.mark.parametrize("name", BY_NAME)
def test_a_dead_prometheus_is_an_error_that_aborts_after_the_tolerated_outage(dead, name):
    for metric in (background_metric(BY_NAME[name], CONFIG), step_metric(BY_NAME[name], CONFIG)):
        assert measure(dead, metric, arguments("healthy")) == "Error"
        # Errors are retried every ten seconds.
        tolerated = ["Error"] * int(CONFIG.max_outage_s / 10)
        assert assess(metric, tolerated)[0] == "Running"
        assert assess(metric, [*tolerated, "Error"]) == ("Error", len(tolerated) + 1)
    background = background_metric(BY_NAME[name], CONFIG)
    assert assess(background, [*tolerated, "Successful", *tolerated])[0] == "Running"


def test_a_refused_query_is_an_error(prometheus):
    metric = background_metric(RULES[0], CONFIG) | {"query": "sum("}
    assert measure(prometheus, metric, {}) == "Error"


@pytest.mark.parametrize("name", BY_NAME)
def test_the_background_run_tolerates_some_failures_and_the_backstop_none(name):
    rule, metric = BY_NAME[name], background_metric(BY_NAME[name], CONFIG)
    allowed = 0 if rule.immediate else CONFIG.failures_tolerated
    looks = ["Failed"] * (allowed + 1)
    assert assess(metric, ["Successful", *looks[:-1], "Successful"])[0] == "Running"
    assert assess(metric, looks) == ("Failed", allowed + 1)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_canary_that_is_idle_for_too_long_pauses_and_is_never_promoted(name):
    rule = BY_NAME[name]
    background, step = background_metric(rule, CONFIG), step_metric(rule, CONFIG)
    idle = ["Inconclusive"] * 1000
    phase, looks = assess(background, idle)
    assert phase == "Inconclusive"
    pace = float(str(background["interval"]).removesuffix("s"))
    assert CONFIG.max_idle_s < looks * pace <= CONFIG.max_idle_s + pace
    phase, looks = assess(step, idle)
    assert phase == "Inconclusive" and looks * CONFIG.interval_s >= CONFIG.step_timeout_s


@pytest.mark.parametrize("name", BY_NAME)
def test_a_step_ends_with_the_first_verdict(name):
    metric = step_metric(BY_NAME[name], CONFIG)
    assert assess(metric, ["Inconclusive", "Inconclusive", "Successful"]) == ("Successful", 3)
    assert assess(metric, ["Inconclusive", "Failed", "Successful"]) == ("Failed", 2)


def test_gateway_counters_of_an_earlier_canary_are_out_of_the_window_at_the_first_look():
    for rule in RULES:
        delay = float(str(background_metric(rule, CONFIG)["initialDelay"]).removesuffix("s"))
        if not rule.by_pod:
            assert delay >= (CONFIG.long_window_s if rule.long else CONFIG.window_s)
        held = CONFIG.model_copy(update={"holds_s": (60.0, 600.0)})
        waited = 60.0 + float(str(step_metric(rule, held).get("initialDelay", "0s")).removesuffix("s"))
        if not rule.by_pod:
            assert waited >= (CONFIG.long_window_s if rule.long else CONFIG.window_s)


def test_errors_of_long_ago_do_not_count(prometheus):
    metric = background_metric(BY_NAME["error-ratio"], CONFIG)
    assert measure(prometheus, metric, arguments("regressed"), at=NOW + 2 * CONFIG.window_s) == "Inconclusive"


@pytest.mark.parametrize("environment", ["kind", "staging", "production"])
def test_what_the_charts_get_is_what_was_tested(environment, prometheus, repository):
    path = repository / "charts" / "environments" / environment / "derived.yaml"
    analyses = yaml.safe_load(path.read_text(encoding="utf-8"))["derived"]["canary"]["analyses"]
    assert analyses
    for analysis in analyses:
        for metrics in (analysis["background"], analysis["step"]):
            seen = {
                name: {measure(prometheus, metric, arguments(name)) for metric in metrics} for name in ("healthy", "regressed", "no-data")
            }
            # Windows of hours hold some minutes of these series only: too few samples may be the answer, never the wrong one.
            assert seen["healthy"] <= {"Successful", "Inconclusive"}
            assert seen["regressed"] & {"Failed", "Inconclusive"}
            assert seen["no-data"] == {"Inconclusive"}


def test_the_scalers_query_gives_one_number(prometheus, repository):
    """KEDA takes one element, and with `ignoreNullValues: "false"` none is an error that its fallback answers."""
    import re

    text = (repository / "rollouts" / "templates" / "scaledobject.yaml").read_text(encoding="utf-8")
    template = re.search(r'query: \{\{ printf "(.*)" \$', text)
    assert template is not None
    assert len(prometheus.values(template[1].replace("%q", '"model-serving"', 1).replace("%q", '"agent-model"'))) == 1
    assert prometheus.values(template[1].replace("%q", '"elsewhere"')) == []


def test_queries_without_arguments_filled_in_are_noticed():
    with pytest.raises(ValueError, match="argument"):
        filled(query(RULES[0], CONFIG), {"canary-hash": "x"})
