"""Dashboard *Canary*: traffic, both versions side by side, and every analysis with its own query."""

from __future__ import annotations

from dataclasses import replace

from workflows.generate.dashboards.panels import Json, Panel, chosen, dashboard, heatmap, series, stat, states

# Replaced by one panel for each analysis of the environment (charts/observability/templates/_dashboards.tpl).
PATTERN = "@analysis"
BOTH = (("stable", "stable"), ("canary", "canary"))
SCORED = "sum by (pod_template_hash) (increase(ctp_quality_faithfulness_count[$__range]))"


def build() -> Json:
    """The dashboard."""
    return dashboard(
        "canary",
        "CTP · Canary",
        "A release: weights, both versions side by side, verdicts.",
        _panels(),
        _variables(),
        since="now-24h",
    )


def _variables() -> list[Json]:
    hash_of = '/pod_template_hash="([^"]+)"/'
    told = "Rollouts says nowhere which hash is the canary's: the version with {} scored answers is taken; choose another by hand."
    return [
        chosen(
            "stable_cluster",
            "Stable",
            'label_values(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"kube_.+-stable_[0-9]+"}, envoy_cluster_name)',
        ),
        chosen(
            "canary_cluster",
            "Canary",
            'label_values(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"kube_.+-canary_[0-9]+"}, envoy_cluster_name)',
        ),
        chosen("stable_hash", "Stable pods", f"query_result(topk(1, {SCORED}))", hash_of, told.format("the most")),
        chosen("canary_hash", "Canary pods", f"query_result(bottomk(1, {SCORED}))", hash_of, told.format("the fewest")),
    ]


def _gateway(expr: str) -> list[tuple[str, str]]:
    return [(expr.replace("SIDE", f'envoy_cluster_name="${version}_cluster"'), legend) for version, legend in BOTH]


def _pods(expr: str) -> list[tuple[str, str]]:
    return [(expr.replace("SIDE", f'pod_template_hash="${version}_hash"'), legend) for version, legend in BOTH]


def _panels() -> list[Panel]:
    requests = "sum(rate(envoy_cluster_upstream_rq_xx{SIDE}[$__rate_interval]))"
    new = requests.replace("SIDE", 'envoy_cluster_name="$canary_cluster"')
    old = requests.replace("SIDE", 'envoy_cluster_name="$stable_cluster"')
    slow = "histogram_quantile(0.99, sum by (le) (rate(envoy_cluster_upstream_rq_time_bucket{SIDE}[$__rate_interval])))"
    buckets = 'sum by (le) (rate(envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="$%s_cluster"}[$__rate_interval]))'
    failed = 'sum(rate(envoy_cluster_upstream_rq_xx{SIDE,envoy_response_code_class="5"}[$__rate_interval])) or vector(0)'

    def mean(name: str) -> str:
        return f"sum(increase(ctp_quality_{name}_sum{{SIDE}}[6h])) / sum(increase(ctp_quality_{name}_count{{SIDE}}[6h]))"

    up, down = (f"sum(increase(ctp_quality_feedback_{verdict}_total{{SIDE}}[6h]))" for verdict in ("up", "down"))
    waiting = [(f'max(vllm:num_requests_waiting{{rollouts_pod_template_hash="${version}_hash"}})', legend) for version, legend in BOTH]
    analysis = series(
        PATTERN,
        "The query of the AnalysisTemplate itself; empty while either version has too few samples.",
        [("vector(0)", "measured")],
        "none",
    )
    analysis.custom = analysis.custom | {"thresholdsStyle": {"mode": "line+area"}}
    return [
        stat(
            "Canary's share of requests",
            "Measured at the gateway; the weight is what was asked for.",
            f"{new} / ({new} + {old})",
            "percentunit",
        ),
        stat("Rollout", "Its phase.", "max by (name, phase) (rollout_info)", legend="{{name}} {{phase}}"),
        stat("Pods", "Available, of those wanted.", "max by (name) (rollout_info_replicas_available)", legend="{{name}}"),
        stat("Analyses", "Runs that Rollouts keeps, by verdict.", "sum by (phase) (analysis_run_info)", legend="{{phase}}"),
        states("Phases", "Of the Rollout, over time.", "max by (phase) (rollout_info)", "{{phase}}", width=12, height=6),
        series("Requests", "A second, at the gateway.", _gateway(requests), "reqps", width=12, height=6),
        series("Failed requests", "Answered 5xx, a second.", _gateway(f"{failed}"), "reqps"),
        series("p99", "Response time at the gateway, streams to their end.", _gateway(slow), "ms"),
        series("Waiting requests", "In the busiest pod.", waiting),
        series("Faithfulness", "Mean of scored live answers over six hours.", _pods(mean("faithfulness")), "percentunit"),
        series("Answer relevancy", "Likewise.", _pods(mean("answer_relevancy")), "percentunit"),
        series("Thumbs up", "Share of users' verdicts over six hours.", _pods(f"{up} / ({up} + {down})"), "percentunit"),
        heatmap("Response times, stable", "By upper bound in milliseconds.", buckets % "stable", "ms", width=12),
        heatmap("Response times, canary", "By upper bound in milliseconds.", buckets % "canary", "ms", width=12),
        replace(analysis, width=24),
    ]
