"""Every query asks for a metric that somebody exports."""

from __future__ import annotations

import pytest

from .metrics import known, names_in, of_quality_exporter, of_workflows, queries
from .rendered import ENVIRONMENTS, objects


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_query_names_metrics_that_are_exported(environment):
    items = objects(environment)
    names = known(items)
    found, asked = [], 0
    for item in items:
        for where, query in queries(item):
            asked += 1
            found += [f"{where}: nobody exports {name}" for name in sorted(names_in(query) - names)]
    assert asked, "no query at all"
    assert not found, "\n".join(found)


def test_our_metrics_are_asked_for_from_who_exports_them():
    assert {"ctp_quality_faithfulness_sum", "ctp_quality_faithfulness_square_sum", "ctp_quality_feedback_up_total"} <= of_quality_exporter()
    assert "argo_workflows_ctp_stage_duration_seconds" in of_workflows(objects("production"))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sum(rate(up[5m]))", {"up"}),
        ('sum by (le, pod) (rate(a_bucket{pod="x",code!~"5.."}[5m])) / on (pod) group_left (node) b > bool 3', {"a_bucket", "b"}),
        (
            "histogram_quantile(0.95, sum by (le) (rate(vllm:e2e_request_latency_seconds_bucket[1h:30s] offset 5m)))",
            {"vllm:e2e_request_latency_seconds_bucket"},
        ),
        ("(a or vector(0)) and b unless c", {"a", "b", "c"}),
        ('a{x="{{args.hash}}"} * 1e3 + ${scale} - $__range_s', {"a"}),
        ("sum without (x) (a) # b", {"a"}),
        ("a @ end() + 1.5", {"a"}),
    ],
)
def test_names_of_a_query(query, names):
    assert names_in(query) == names
