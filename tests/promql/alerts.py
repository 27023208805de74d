"""One scenario for each alert: what is different from a healthy environment, for how long, and what else fires with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .observed import CANARY, STABLE, Changes

STARTED = "argo_workflows_ctp_run_started_timestamp_seconds"
PAUSED = ("rollout_info", {"name": "agent-model"}, {"labels": {"name": "agent-model", "phase": "Paused"}})
QUALITY = {"model_name": "agent-model", "model_version": "7"}


@dataclass(frozen=True)
class Scenario:
    """What happens.

    Attributes:
        changes: against `observed.healthy`.
        minutes: until one looks.
        step_s: seconds between two samples and two evaluations.
        also: alerts that fire beside.
        files: names of rule files; empty: all. Long scenarios need not evaluate everything.
    """

    changes: Changes
    minutes: float = 15
    step_s: float = 60
    also: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def _failed(workflow: str) -> Scenario:
    return Scenario([(STARTED, {"workflow": workflow, "status": "Failed"}, {"value": -5.0, "per_s": 1.0})], 25)


def _value(name: str, labels: Mapping[str, str], value: float, minutes: float = 15) -> Scenario:
    return Scenario([(name, labels, {"value": value})], minutes)


def _jump(recorded: str, labels: Mapping[str, str], before: float, after: float) -> Scenario:
    """Two days as ever, then something else, hour by hour."""
    values = f"{before:g}x47 {after:g}x5"
    return Scenario([(recorded, labels, {"values": values})], 50 * 60, 3600, files=("data",))


def _falling() -> Scenario:
    """Two days of 0.9, then six hours and a half of 0.7; one scored answer a second."""
    fields = {
        "count": "0+300x654",
        "sum": f"0+270x576 {270 * 576 + 210}+210x77",
    }
    changes = [(f"ctp_quality_faithfulness_{part}", QUALITY, {"values": values}) for part, values in fields.items()]
    return Scenario(changes, 5 * 654, 300, files=("recordings", "serving"))


def _asked_before(days: float, *also: str) -> Scenario:
    """The clock starts at the epoch here, so a request of days ago is looked at days later, hour by hour."""
    oldest = ("ctp:erasure_oldest_open_timestamp_seconds:last", {}, {"value": 1.0})
    return Scenario([oldest], days * 1440, 3600, also, ("data",))


SCENARIOS: dict[str, Scenario] = {
    "CtpRunFailed": _failed("reward-label"),
    "CtpRunLate": Scenario([(STARTED, {"workflow": "trace-ingest"}, {"value": -200_000.0, "per_s": 0.0})]),
    "CtpReconcileFailing": _failed("release-reconcile"),
    "CtpReconcileNotRunning": Scenario([(STARTED, {"workflow": "release-reconcile"}, None)], 20),
    "CtpTrainingNotStarting": Scenario(
        [
            ("kube_pod_status_phase", {"pod": "train-0", "phase": "Pending"}, {"value": 1.0}),
            ("kube_pod_status_phase", {"pod": "train-0", "phase": "Running"}, {"value": 0.0}),
        ],
        70,
    ),
    "CtpGateRefusesMore": _jump("ctp:gate_stopped:ratio", {"gate": "consent"}, 0.02, 0.4),
    "CtpQuarantineGrows": _jump("ctp:quarantined:ratio", {}, 0.02, 0.3),
    "CtpNothingIngested": _value("argo_workflows_ctp_ingest_traces", {"result": "read"}, 0, 70),
    "CtpErasureFailed": _failed("erase-user"),
    "CtpErasureSlow": _asked_before(20),
    "CtpErasureLate": _asked_before(40, "CtpErasureSlow"),
    "CtpLabelsMissing": _value("argo_workflows_ctp_labels", {"result": "unscored"}, 200),
    "CtpJudgeDrift": _value("argo_workflows_ctp_judge_shift", {}, 0.025),
    "CtpQualityNotScored": Scenario([("ctp_quality_*", {}, None)], 100),
    "CtpJudgeDown": _value("kube_deployment_status_replicas_available", {"deployment": "reward-judge-predictor"}, 0, 60),
    "CtpJudgeSaturated": _value("vllm:num_requests_waiting", {"pod": "reward-judge-0"}, 100, 45),
    "CtpCanaryAborted": Scenario(
        [("rollout_info", {"name": "agent-model"}, {"labels": {"name": "agent-model", "phase": "Degraded"}})],
    ),
    "CtpCanaryInconclusive": Scenario(
        [PAUSED, ("analysis_run_info", {"name": "agent-model-bbb-8-2", "phase": "Inconclusive"}, {"value": 1.0})]
    ),
    "CtpCanaryIdle": Scenario([PAUSED, ("envoy_*", {"envoy_cluster_name": CANARY}, None)], 375),
    # Nine days on weights, which is longer than all of them.
    "CtpCanarySlow": Scenario([PAUSED], 9 * 1440, 1800, files=("serving",)),
    "CtpStableErrors": Scenario(
        [("envoy_cluster_upstream_rq_xx", {"envoy_cluster_name": STABLE, "envoy_response_code_class": "5"}, {"per_s": 0.4})],
    ),
    "CtpStableSlow": Scenario(
        [("envoy_cluster_upstream_rq_time_bucket", {"envoy_cluster_name": STABLE, "le": "10000"}, {"value": 0.0, "per_s": 0.4})], 30
    ),
    "CtpQualityFalling": _falling(),
    "CtpBudgetNear": _value("argo_workflows_ctp_month_cost_usd", {}, 3400),
    "CtpBudgetSpent": _value("argo_workflows_ctp_month_gpu_hours", {}, 410),
    "CtpControllerDown": _value("kube_deployment_status_replicas_available", {"namespace": "argo"}, 0),
    "CtpApplicationNotSynced": Scenario(
        [
            (
                "argocd_app_info",
                {"name": "pipeline"},
                {"labels": {"name": "pipeline", "sync_status": "OutOfSync", "health_status": "Healthy"}},
            )
        ],
        70,
    ),
    "CtpWorkflowMetricsAbsent": Scenario([("argo_workflows_gauge", {}, None)], 20),
    "CtpClusterMetricsAbsent": Scenario([("kube_node_info", {}, None)], 20),
    "CtpGatewayMetricsAbsent": Scenario([("envoy_*", {}, None)], 35),
    "CtpCollectorAbsent": Scenario([("otelcol_*", {}, None)]),
    "CtpCollectorQueueFilling": _value("otelcol_exporter_queue_size", {"exporter": "awss3/raw"}, 8e8),
    "CtpSpansLost": Scenario([("otelcol_exporter_send_failed_spans_total", {"exporter": "awss3/raw"}, {"per_s": 0.5})]),
    "CtpSpansRefused": Scenario([("otelcol_receiver_refused_spans_total", {}, {"per_s": 0.5})], 25),
}
