"""Every metric that a query of ours may name, and who exports it. A name that is not here is a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from .rendered import Item

# Exporter -> names; a histogram is its base name.
HISTOGRAMS = {
    "vLLM": (
        "vllm:e2e_request_latency_seconds",
        "vllm:inter_token_latency_seconds",
        "vllm:request_decode_time_seconds",
        "vllm:request_prefill_time_seconds",
        "vllm:request_queue_time_seconds",
        "vllm:time_to_first_token_seconds",
    ),
    "Envoy": ("envoy_cluster_upstream_rq_time",),
    "Argo Workflows": ("argo_workflows_operation_duration_seconds", "argo_workflows_queue_latency"),
    "KEDA": (),
    "Karpenter": ("karpenter_nodeclaims_termination_duration_seconds", "karpenter_pods_startup_duration_seconds"),
}
METRICS = {
    # vllm/v1/metrics/loggers.py; `http_requests_total` is of its API server.
    "vLLM": (
        "http_requests_total",
        "vllm:generation_tokens_total",
        "vllm:kv_cache_usage_perc",
        "vllm:num_preemptions_total",
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:prompt_tokens_total",
        "vllm:request_success_total",
    ),
    # https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats
    "Envoy": (
        "envoy_cluster_external_upstream_rq_xx",
        "envoy_cluster_membership_healthy",
        "envoy_cluster_upstream_rq",
        "envoy_cluster_upstream_rq_active",
        "envoy_cluster_upstream_rq_retry",
        "envoy_cluster_upstream_rq_rx_reset",
        "envoy_cluster_upstream_rq_timeout",
        "envoy_cluster_upstream_rq_total",
        "envoy_cluster_upstream_rq_xx",
    ),
    # kube-state-metrics, cAdvisor and the kubelet: chart kube-prometheus-stack.
    "Kubernetes": (
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "kube_deployment_spec_replicas",
        "kube_deployment_status_replicas",
        "kube_deployment_status_replicas_available",
        "kube_node_info",
        "kube_node_labels",
        "kube_node_status_allocatable",
        "kube_persistentvolumeclaim_resource_requests_storage_bytes",
        "kube_pod_container_resource_requests",
        "kube_pod_container_status_restarts_total",
        "kube_pod_created",
        "kube_pod_info",
        "kube_pod_labels",
        "kube_pod_status_phase",
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
        "up",
    ),
    "Argo Rollouts": (
        "rollout_info",
        "rollout_info_replicas_available",
        "rollout_info_replicas_desired",
        "rollout_phase",
        "analysis_run_info",
    ),
    "Argo Workflows": ("argo_workflows_gauge", "argo_workflows_error_count", "argo_workflows_total_count"),
    "Argo CD": ("argocd_app_info", "argocd_app_sync_total"),
    "KEDA": ("keda_scaler_errors_total", "keda_scaled_object_errors_total", "keda_scaler_metrics_value", "keda_scaled_object_paused"),
    "Karpenter": (
        "karpenter_interruption_received_messages_total",
        "karpenter_nodeclaims_created_total",
        "karpenter_nodeclaims_disrupted_total",
        "karpenter_nodeclaims_terminated_total",
        "karpenter_nodepools_limit",
        "karpenter_nodepools_usage",
    ),
    "Kueue": (
        "kueue_pending_workloads",
        "kueue_admitted_active_workloads",
        "kueue_evicted_workloads_total",
        "kueue_quota_reserved_wait_time_seconds",
    ),
    # opentelemetry-collector, internal telemetry; counters end in _total since 0.120.
    "OpenTelemetry Collector": (
        "otelcol_exporter_enqueue_failed_spans_total",
        "otelcol_exporter_queue_capacity",
        "otelcol_exporter_queue_size",
        "otelcol_exporter_send_failed_spans_total",
        "otelcol_exporter_sent_spans_total",
        "otelcol_processor_incoming_items_total",
        "otelcol_process_uptime_seconds_total",
        "otelcol_processor_outgoing_items_total",
        "otelcol_receiver_accepted_spans_total",
        "otelcol_receiver_refused_spans_total",
    ),
}
WORDS = {
    "and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "inf", "nan",
    "start", "end", "atan2", "default",
}  # fmt: skip
STRING = re.compile(r"\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`[^`]*`")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
NAME = re.compile(r"(?<![\w:.$])([A-Za-z_:][\w:]*)\b(?!\s*\()")


@cache
def of_quality_exporter() -> frozenset[str]:
    """What `ctp serve quality` really exports."""
    from prometheus_client import CollectorRegistry, generate_latest

    from steps.serve.quality.counters import QualityCounters

    counters = QualityCounters()
    counters.scored(("agent-model", "1", "abc"), {"faithfulness": 0.5, "answer_relevancy": 0.5})
    registry = CollectorRegistry()
    registry.register(counters)
    lines = generate_latest(registry).decode().splitlines()
    return frozenset(re.split(r"[{ ]", line)[0] for line in lines if line and not line.startswith("#"))


def of_workflows(items: tuple[Item, ...]) -> frozenset[str]:
    """Metrics that workflows define; Argo's controller exports them with a prefix, and adds no ending to a counter."""
    found = set()
    for item in items:
        if item.kind in ("WorkflowTemplate", "CronWorkflow"):
            spec = item.manifest["spec"].get("workflowSpec") or item.manifest["spec"]
            for place in (spec, spec.get("templateDefaults") or {}, *spec.get("templates", [])):
                for metric in (place.get("metrics") or {}).get("prometheus", []):
                    parts = ("_bucket", "_sum", "_count") if "histogram" in metric else ("",)
                    found |= {f"argo_workflows_{metric['name']}{part}" for part in parts}
    return frozenset(found)


def recorded(items: tuple[Item, ...]) -> frozenset[str]:
    """Names that recording rules make."""
    rules = (
        rule for item in items if item.kind == "PrometheusRule" for group in item.manifest["spec"]["groups"] for rule in group["rules"]
    )
    return frozenset(rule["record"] for rule in rules if "record" in rule)


def known(items: tuple[Item, ...]) -> frozenset[str]:
    """Every name that may stand in a query of an environment."""
    names = {name for listed in METRICS.values() for name in listed} | {"ALERTS", "ALERTS_FOR_STATE"}
    for listed in HISTOGRAMS.values():
        names |= {f"{name}{part}" for name in listed for part in ("_bucket", "_sum", "_count")}
    return frozenset(names) | of_quality_exporter() | of_workflows(items) | recorded(items)


def names_in(query: str) -> set[str]:
    """Metric names of a PromQL query; variables of Grafana, arguments of Rollouts and Go templates are left out."""
    text = re.sub(r"\{\{.*?\}\}|\$\{?\w+(?::\w+)?\}?", "0", query)
    text = STRING.sub('""', re.sub(r"#.*", "", text))
    text = GROUPING.sub(" ", text)
    text = re.sub(r"\{[^{}]*\}", " ", text)
    text = re.sub(r"\[[^\[\]]*\]", " ", text)
    text = re.sub(r"\boffset\s+-?\w+|@\s*[\w.()]+", " ", text)
    found = {name for name in NAME.findall(text) if name.lower() not in WORDS}
    return {name for name in found if not re.fullmatch(r"[0-9]+[smhdwy]?|e[0-9]+", name)}


def queries(item: Item) -> Iterator[tuple[str, str]]:
    """Every PromQL of an object, with where it stands."""
    spec = item.manifest.get("spec") or {}
    if item.kind in ("AnalysisTemplate", "ClusterAnalysisTemplate"):
        for metric in spec.get("metrics", []):
            prometheus = metric.get("provider", {}).get("prometheus")
            if prometheus:
                yield f"{item} {metric['name']}", prometheus["query"]
    elif item.kind == "PrometheusRule":
        for group in spec["groups"]:
            for rule in group["rules"]:
                yield f"{item} {rule.get('alert') or rule.get('record')}", rule["expr"]
    elif item.kind == "ScaledObject":
        for trigger in spec["triggers"]:
            if trigger["type"] == "prometheus":
                yield f"{item} trigger", trigger["metadata"]["query"]
    elif item.kind == "ConfigMap":
        for key, text in (item.manifest.get("data") or {}).items():
            if key.endswith(".json") and '"panels"' in text:
                yield from _dashboard(f"{item} {key}", text)


def _dashboard(where: str, text: str) -> Iterator[tuple[str, str]]:
    import json

    def panels(value: Any) -> Iterator[dict[str, Any]]:
        for panel in value.get("panels", []):
            yield panel
            yield from panels(panel)

    dashboard = json.loads(text)
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            if target.get("expr"):
                yield f"{where} panel {panel.get('title')}", target["expr"]
    for variable in dashboard.get("templating", {}).get("list", []):
        query = variable.get("query")
        query = query.get("query", "") if isinstance(query, dict) else query or ""
        found = re.match(r"label_values\((.+),\s*\w+\)|query_result\((.+)\)", query)
        if found:
            yield f"{where} variable {variable['name']}", found[1] or found[2]
