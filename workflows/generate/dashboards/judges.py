"""Dashboard *Judge fleet*: who is asked, how long the queue is, what it costs."""

from __future__ import annotations

from workflows.generate.dashboards.panels import Json, chosen, dashboard, series, stat

REPLICAS = 'deployment=~".+-predictor"'


def build() -> Json:
    """The dashboard."""
    this = 'model_name="$judge"'
    slow = "histogram_quantile({q}, sum by (le) (rate(vllm:{name}_seconds_bucket{{{this}}}[$__rate_interval])))"
    quantiles = [("0.5", "p50"), ("0.95", "p95")]
    price = 'max(ctp:machine_price_usd_per_hour{work="judge"})'
    panels = [
        stat(
            "Replicas",
            "That are ready, of each judge and embedder.",
            f"sum by (deployment) (kube_deployment_status_replicas_available{{{REPLICAS}}})",
            legend="{{deployment}}",
            width=12,
        ),
        stat(
            "Dollars an hour",
            "Replicas times the price of their machine (pipeline.cost): on-demand, which Spot never exceeds.",
            f"sum(kube_deployment_status_replicas_available{{{REPLICAS}}}) * {price}",
            "currencyUSD",
        ),
        stat("Waiting for each replica", "What the scaler acts on.", "ctp:judge_waiting:per_replica", legend="{{model_name}}"),
        series(
            "Replicas over time",
            "Wanted and ready.",
            [
                (f"sum by (deployment) (kube_deployment_spec_replicas{{{REPLICAS}}})", "{{deployment}} wanted"),
                (f"sum by (deployment) (kube_deployment_status_replicas_available{{{REPLICAS}}})", "{{deployment}} ready"),
            ],
            width=12,
        ),
        series(
            "Requests of every judge",
            "In work and waiting.",
            [
                ("sum by (model_name) (vllm:num_requests_running)", "{{model_name}} in work"),
                ("sum by (model_name) (vllm:num_requests_waiting)", "{{model_name}} waiting"),
            ],
            width=12,
        ),
        series(
            "Finished requests",
            "A second, by how they ended: vLLM counts errors and aborts here, too.",
            [(f"sum by (finished_reason) (rate(vllm:request_success_total{{{this}}}[$__rate_interval]))", "{{finished_reason}}")],
            "reqps",
        ),
        series(
            "Response time",
            "From arrival to the last token.",
            [(slow.format(q=q, name="e2e_request_latency", this=this), legend) for q, legend in quantiles],
            "s",
        ),
        series(
            "Time in the queue",
            "Until a slot is free.",
            [(slow.format(q=q, name="request_queue_time", this=this), legend) for q, legend in quantiles],
            "s",
        ),
        series(
            "Tokens",
            "A second, read and written.",
            [
                (f"sum(rate(vllm:prompt_tokens_total{{{this}}}[$__rate_interval]))", "read"),
                (f"sum(rate(vllm:generation_tokens_total{{{this}}}[$__rate_interval]))", "written"),
            ],
        ),
        series(
            "Cache",
            "Share of the KV cache in use, the fullest replica.",
            [(f"max(vllm:kv_cache_usage_perc{{{this}}})", "used")],
            "percentunit",
        ),
        series(
            "Live answers scored",
            "A second, by what became of them.",
            [("sum by (status) (rate(ctp_quality_scored_total[$__rate_interval]))", "{{status}}")],
        ),
    ]
    variables = [chosen("judge", "Judge", 'label_values(vllm:num_requests_running{rollouts_pod_template_hash=""}, model_name)')]
    return dashboard("judges", "CTP · Judge fleet", "Judges and embedder.", panels, variables, since="now-24h")
