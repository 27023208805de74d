"""What every exporter of a production environment shows while all is well, and how to make it worse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from steps.contract.config.prices import INSTANCES

WORKFLOWS = (
    "continuous-training",
    "trace-ingest",
    "reward-label",
    "model-evaluation",
    "table-maintenance",
    "cost-review",
    "release-reconcile",
    "erase-user",
)
STABLE, CANARY = "kube_model-serving_agent-model-stable_8000", "kube_model-serving_agent-model-canary_8000"
JUDGES = {
    "reward-judge": "qwen3-4b-instruct-2507",
    "gate-judge": "granite-3.3-8b-instruct",
    "embedder": "bge-m3",
}
GPU_MACHINE = next(name for name, instance in INSTANCES.items() if instance.gpus == 8)


@dataclass(frozen=True)
class Shown:
    """One series: `value` at the start, `per_s` more each second; `values` in promtool's notation instead."""

    name: str
    labels: Mapping[str, str]
    value: float = 0.0
    per_s: float = 0.0
    values: str = ""

    def head(self) -> str:
        """Name and labels."""
        labels = ",".join(f'{key}="{value}"' for key, value in sorted(self.labels.items()))
        return f"{self.name}{{{labels}}}"

    def is_of(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether it is one that a change is about; a name may end in `*`."""
        named = self.name.startswith(name[:-1]) if name.endswith("*") else self.name == name
        return named and labels.items() <= self.labels.items()

    def written(self, samples: int, step_s: float) -> dict[str, str]:
        """As promtool reads it."""
        sign = "-" if self.per_s < 0 else "+"
        return {"series": self.head(), "values": self.values or f"{self.value:.10g}{sign}{abs(self.per_s) * step_s:.10g}x{samples}"}


Changes = Sequence[tuple[str, Mapping[str, str], Mapping[str, object] | None]]


def changed(series: Iterable[Shown], changes: Changes) -> list[Shown]:
    """With series replaced (new fields), dropped (None), or added when there is none of these labels.

    Raises:
        AssertionError: what should be dropped is not there.
    """
    made = list(series)
    for name, labels, fields in changes:
        found = [one for one in made if one.is_of(name, labels)]
        if fields is None:
            assert found, f"nothing to drop: {name} {labels}"
            made = [one for one in made if one not in found]
        elif found:
            made = [replace(one, **fields) if one in found else one for one in made]  # type: ignore[arg-type]
        else:
            made.append(Shown(name, labels, **fields))  # type: ignore[arg-type]
    return made


def _argo(name: str, value: float, per_s: float = 0.0, **labels: str) -> Shown:
    return Shown(f"argo_workflows_{name}", labels, value, per_s)


def _workflows(now: float, month: float) -> list[Shown]:
    rows = {"ingest": 12, "govern-commit": 930, "label-commit": 800, "curate": 600, "maintain": 40, "erase": 3}
    return [
        *(_argo("ctp_run_started_timestamp_seconds", now - 600, 1.0, workflow=name, status="Succeeded") for name in WORKFLOWS),
        _argo("ctp_run_started_timestamp_seconds", now - 3e6, 0.0, workflow="reward-label", status="Failed"),
        *(_argo("ctp_run_duration_seconds", 1800, workflow=name, status="Succeeded") for name in WORKFLOWS),
        *(_argo("ctp_stage_duration_seconds", 300, stage=stage, status="Succeeded") for stage in rows),
        *(_argo("ctp_stage_rows", count, stage=stage) for stage, count in rows.items()),
        _argo("ctp_stage_attempts", 5, 0.001, stage="label-shard", status="Failed"),
        *(
            _argo("ctp_ingest_traces", count, result=result)
            for result, count in {"read": 1000, "written": 930, "stopped": 50, "quarantined": 20}.items()
        ),
        *(
            _argo("ctp_gate_stopped_traces", count, gate=gate)
            for gate, count in {"consent": 20, "pii": 20, "region": 5, "confidentiality": 5}.items()
        ),
        _argo("ctp_labels", 800, result="labelled"),
        _argo("ctp_labels", 8, result="unscored"),
        _argo("ctp_judge_shift", 0.004),
        _argo("ctp_erasures_open", 0),
        _argo("ctp_erasure_oldest_open_timestamp_seconds", 0),
        _argo("ctp_train_estimated_cost_usd", 640, stage="estimate"),
        *(_argo("ctp_run_cost_usd", 500, workflow=name) for name in WORKFLOWS[:3]),
        *(_argo("ctp_run_gpu_hours", 24, workflow=name) for name in WORKFLOWS[:3]),
        *(_argo("ctp_stage_cost_usd", 120, workflow="continuous-training", stage=stage) for stage in ("label", "train", "gate")),
        _argo("ctp_month_cost_usd", 1000),
        _argo("ctp_month_cost_limit_usd", 4000),
        _argo("ctp_month_gpu_hours", 100),
        _argo("ctp_month_gpu_hours_limit", 400),
        _argo("ctp_cost_month", month),
        *(_argo("ctp_faithfulness_point_cost_usd", usd, bound=bound) for bound, usd in {"estimate": 800, "low": 500, "high": 1600}.items()),
        *(_argo("gauge", count, phase=phase) for phase, count in {"Running": 1, "Succeeded": 9}.items()),
    ]


def _serving() -> list[Shown]:
    made = []
    for cluster, rate, pods, version in ((STABLE, 4.0, "aaa", "7"), (CANARY, 2.0, "bbb", "8")):
        of = {"envoy_cluster_name": cluster, "pod": "proxy-0"}
        made += [
            Shown("envoy_cluster_upstream_rq_xx", of | {"envoy_response_code_class": "2"}, 1000, rate * 0.998),
            Shown("envoy_cluster_upstream_rq_xx", of | {"envoy_response_code_class": "5"}, 2, rate * 0.002),
        ]
        for bound, share in {"1000": 0.8, "10000": 1.0, "60000": 1.0, "+Inf": 1.0}.items():
            made.append(Shown("envoy_cluster_upstream_rq_time_bucket", of | {"le": bound}, 1000 * share, rate * share))
        model = {"model_name": "agent-model", "pod": f"agent-{pods}", "rollouts_pod_template_hash": pods}
        made += [
            Shown("vllm:num_requests_waiting", model, 1),
            Shown("vllm:num_requests_running", model, 4),
            Shown("vllm:request_success_total", model | {"finished_reason": "stop"}, 1000, rate),
        ]
        of = {"model_name": "agent-model", "model_version": version, "pod_template_hash": pods}
        for metric in ("faithfulness", "answer_relevancy"):
            for part, share in {"count": 1.0, "sum": 0.9, "square_sum": 0.85}.items():
                made.append(Shown(f"ctp_quality_{metric}_{part}", of, 100 * share, rate / 4 * share))
        made.append(Shown("ctp_quality_feedback_up_total", of, 90, rate * 0.09))
        made.append(Shown("ctp_quality_feedback_down_total", of, 10, rate * 0.01))
        made.append(Shown("ctp_quality_scored_total", of | {"status": "scored"}, 100, rate / 4))
    return [
        *made,
        Shown("rollout_info", {"name": "agent-model", "phase": "Healthy", "exported_namespace": "model-serving"}, 1),
        Shown("rollout_info_replicas_available", {"name": "agent-model"}, 3),
        Shown("analysis_run_info", {"name": "agent-model-bbb-8-1", "phase": "Successful"}, 1),
    ]


def _judges() -> list[Shown]:
    made = []
    for name, model in JUDGES.items():
        of = {"model_name": model, "pod": f"{name}-0"}
        made += [
            Shown("vllm:num_requests_waiting", of, 2),
            Shown("vllm:num_requests_running", of, 8),
            Shown("vllm:kv_cache_usage_perc", of, 0.4),
            Shown("vllm:prompt_tokens_total", of, 0, 900),
            Shown("vllm:generation_tokens_total", of, 0, 300),
            Shown("vllm:request_success_total", of | {"finished_reason": "stop"}, 0, 2),
        ]
        for metric in ("e2e_request_latency", "request_queue_time"):
            for bound, share in {"0.3": 0.2, "2.5": 0.9, "+Inf": 1.0}.items():
                made.append(Shown(f"vllm:{metric}_seconds_bucket", of | {"le": bound}, 0, 2 * share))
        deployment = {"namespace": "model-serving", "deployment": f"{name}-predictor"}
        made.append(Shown("kube_deployment_spec_replicas", deployment, 1))
        made.append(Shown("kube_deployment_status_replicas_available", deployment, 1))
    return made


def _cluster() -> list[Shown]:
    labels = {"label_node_kubernetes_io_instance_type": GPU_MACHINE, "label_karpenter_sh_capacity_type": "spot"}
    pods = {"train-0": "train", "label-0": "label"}
    made = [Shown("kube_node_info", {"node": "n1"}, 1), Shown("kube_node_labels", labels | {"node": "n1"}, 1)]
    for pod, duty in pods.items():
        of = {"namespace": "training-pipeline", "pod": pod}
        made.append(Shown("kube_pod_status_phase", of | {"phase": "Running"}, 1))
        made.append(Shown("kube_pod_status_phase", of | {"phase": "Pending"}, 0))
        made.append(Shown("kube_pod_labels", of | {"label_app_kubernetes_io_component": duty}, 1))
    asked = {"namespace": "training-pipeline", "pod": "train-0", "node": "n1", "resource": "nvidia_com_gpu"}
    made.append(Shown("kube_pod_container_resource_requests", asked | {"container": "main"}, 8))
    for namespace in ("argo", "argo-rollouts", "keda"):
        of = {"namespace": namespace, "deployment": f"{namespace}-controller"}
        made += [Shown("kube_deployment_spec_replicas", of, 1), Shown("kube_deployment_status_replicas_available", of, 1)]
    for name in ("pipeline", "rollouts"):
        made.append(Shown("argocd_app_info", {"name": name, "sync_status": "Synced", "health_status": "Healthy"}, 1))
    return made


def _collector() -> list[Shown]:
    made = [
        Shown("otelcol_process_uptime_seconds_total", {"pod": "otel-collector-0"}, 0, 1),
        Shown("otelcol_receiver_accepted_spans_total", {"pod": "otel-collector-0"}, 0, 20),
        Shown("otelcol_receiver_refused_spans_total", {"pod": "otel-collector-0"}, 0),
    ]
    for exporter in ("otlp_http/langfuse", "awss3/raw", "otlp_http/quality"):
        of = {"pod": "otel-collector-0", "exporter": exporter}
        made += [
            Shown("otelcol_exporter_queue_size", of, 1e6),
            Shown("otelcol_exporter_queue_capacity", of, 1e9),
            Shown("otelcol_exporter_send_failed_spans_total", of, 0),
            Shown("otelcol_exporter_enqueue_failed_spans_total", of, 0),
        ]
    return made


def healthy(now: float, month: float) -> list[Shown]:
    """Everything, from the moment `now` on (seconds since 1970), in this month of the year."""
    return [*_workflows(now, month), *_serving(), *_judges(), *_cluster(), *_collector()]


def exposition(series: Iterable[Shown], age_s: float) -> str:
    """A page of metrics, so many seconds after the start."""
    lines = [f"{one.head()} {one.value + one.per_s * age_s!r}\n" for one in series]
    assert all(not math.isnan(one.value) for one in series)
    return "".join(lines)
