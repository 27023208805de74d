from __future__ import annotations

import math

import pytest

from steps.serve.gateway.envoy import CLUSTERS
from steps.serve.gateway.envoy_stats import ClusterStats, GatewayStats, read_stats


def exposition(ok: int, errors: int) -> str:
    label = f'envoy_cluster_name="{CLUSTERS["canary"]}"'
    return (
        "# TYPE envoy_cluster_upstream_rq_xx counter\n"
        f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="2",{label}}} {ok}\n'
        f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5",{label}}} {errors}\n'
        'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="another"} 9\n'
        "# TYPE envoy_cluster_upstream_rq_time histogram\n"
        f'envoy_cluster_upstream_rq_time_bucket{{{label},le="10"}} {ok // 2}\n'
        f'envoy_cluster_upstream_rq_time_bucket{{{label},le="20"}} {ok}\n'
        f'envoy_cluster_upstream_rq_time_bucket{{{label},le="+Inf"}} {ok}\n'
        f"envoy_cluster_upstream_rq_time_sum{{{label}}} {ok * 10}\n"
        f"envoy_cluster_upstream_rq_time_count{{{label}}} {ok}\n"
    )


def test_counters_are_read_and_subtracted() -> None:
    earlier, later = read_stats(exposition(10, 0)), read_stats(exposition(40, 10))
    window = later.since(earlier)
    assert (window.canary.requests, window.canary.ok, window.canary.errors) == (40, 30, 10)
    assert window.canary.error_ratio == 0.25
    assert window.canary_share == 1.0
    assert window.stable.error_ratio is None
    assert window.canary.latency_sum_ms == 300


def test_after_a_restart_of_the_proxy_everything_is_new() -> None:
    assert read_stats(exposition(4, 0)).since(read_stats(exposition(40, 10))).canary.requests == 4


def test_quantiles_interpolate_like_promql() -> None:
    stats = ClusterStats(buckets={10.0: 50.0, 20.0: 100.0, math.inf: 100.0})
    assert stats.quantile_ms(0.5) == pytest.approx(10.0)
    assert stats.quantile_ms(0.75) == pytest.approx(15.0)
    assert stats.p99_ms == pytest.approx(19.8)


def test_a_quantile_above_every_bound_is_the_highest_bound() -> None:
    assert ClusterStats(buckets={10.0: 1.0, math.inf: 100.0}).p99_ms == 10.0


def test_without_requests_nothing_is_known() -> None:
    assert GatewayStats().canary_share is None
    assert ClusterStats().p99_ms is None
    assert read_stats("").stable.requests == 0
