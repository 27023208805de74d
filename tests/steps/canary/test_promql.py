"""Texts and numbers; what Prometheus and Rollouts make of them: tests/promql."""

from __future__ import annotations

import pytest

from steps.canary.promql import CANARY, STABLE, background_metric, conditions, duration, query, step_metric
from steps.canary.rules import RULES
from steps.contract.config.canary import CanaryConfig

BY_NAME = {rule.name: rule for rule in RULES}
CONFIG = CanaryConfig(window_s=300, long_window_s=7200, interval_s=60, max_idle_s=3600, step_timeout_s=600, holds_s=(120, 120))


@pytest.mark.parametrize(("seconds", "text"), [(1, "1s"), (0.5, "500ms"), (86400, "86400s"), (1.25, "1250ms"), (0.0001, "1ms")])
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_both_sides_are_measured_alike_over_one_window(rule):
    text = query(rule, CONFIG)
    ours, base = (text.count(source.cluster) + text.count(source.pod_hash) for source in (CANARY, STABLE))
    assert ours == base > 0
    window, other = ("[7200s]", "[300s]") if rule.long else ("[300s]", "[7200s]")
    assert window in text and other not in text
    assert text.count("\nand (") == 2, "a minimum for each side"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_conditions_exclude_each_other_and_nothing_else(rule):
    success, failure = conditions(rule, CONFIG)
    head, _, above = success.rpartition(" && ")
    assert head == failure.rpartition(" && ")[0]
    signs = {above.split()[1], failure.split()[-2]}
    assert signs in ({"<=", ">"}, {">=", "<"})
    assert above.split()[2] == failure.split()[-1]


def test_the_long_window_is_looked_at_less_often_but_for_the_backstop():
    assert background_metric(BY_NAME["faithfulness"], CONFIG)["interval"] == "300s"
    assert background_metric(BY_NAME["faithfulness-backstop"], CONFIG)["interval"] == "60s"
    assert background_metric(BY_NAME["error-ratio"], CONFIG)["interval"] == "60s"


def test_a_step_asks_once_its_window_is_the_canarys_own():
    assert step_metric(BY_NAME["error-ratio"], CONFIG)["initialDelay"] == "180s"
    assert step_metric(BY_NAME["p99-latency"], CONFIG)["initialDelay"] == "7080s"
    assert "initialDelay" not in step_metric(BY_NAME["faithfulness"], CONFIG)
