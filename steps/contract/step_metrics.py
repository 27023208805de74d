"""Metrics of what steps found: which field of a result an orchestrator shows under which name. Argo puts `argo_workflows_` before it.

The exit handler alone has read the Workflow's own accounting, so cost is shown by `record-outcome`.
"""

from __future__ import annotations

from steps.contract.spec import Metric


def _traces(result: str) -> Metric:
    return Metric("ctp_ingest_traces", result, "traces of the last ingest by what became of them", (("result", result),))


def _stopped(gate: str) -> Metric:
    return Metric("ctp_gate_stopped_traces", f"stopped_{gate}", "traces of the last ingest that a gate stopped", (("gate", gate),))


def _labels(result: str) -> Metric:
    return Metric("ctp_labels", result, "traces of the last labelling by what became of them", (("result", result),))


def _run(name: str, field: str, text: str, kind: str = "gauge", labels: tuple[tuple[str, str], ...] = ()) -> Metric:
    return Metric(name, field, text, labels, "counter" if kind == "counter" else "gauge", when="metered", by_workflow=True)


def _stage_cost(stage: str) -> Metric:
    text = "US dollars at most of one kind of work in the last finished run of a workflow"
    return _run("ctp_stage_cost_usd", f"{stage}_usd_at_most", text, labels=(("stage", stage),))


def _month(name: str, field: str, text: str) -> Metric:
    return Metric(name, field, text, when="metered")


def _bound(bound: str, field: str) -> Metric:
    text = "US dollars for +0.01 faithfulness in the last reviewed quarter, with its 95 % interval; an upper bound of 0: there is none"
    return Metric("ctp_faithfulness_point_cost_usd", field, text, (("bound", bound),), when="priced")


GOVERNED = (
    *(_traces(result) for result in ("read", "written", "stopped", "quarantined")),
    *(_stopped(gate) for gate in ("pii", "consent", "region", "confidentiality")),
)
LABELLED = tuple(_labels(result) for result in ("labelled", "unscored"))
ESTIMATED = (Metric("ctp_train_estimated_cost_usd", "usd", "estimated cost of the newest training", (("stage", "estimate"),)),)
JUDGED = (Metric("ctp_judge_shift", "judge_shift", "change of the gate judge's mean score against its record, 0-1"),)
ERASURES = (
    Metric("ctp_erasures_open", "open_erasures", "erasures that were asked for and are not complete"),
    Metric(
        "ctp_erasure_oldest_open_timestamp_seconds",
        "oldest_open_erasure_s",
        "when the oldest erasure that is not complete was asked for; 0: there is none",
    ),
)
# Of every run, labelled with its workflow.
OF_A_RUN = (
    _run("ctp_run_cost_usd", "usd_at_most", "US dollars at most of the last finished run of a workflow"),
    _run("ctp_run_gpu_hours", "gpu_hours_at_most", "GPU hours at most of the last finished run of a workflow"),
    _run("ctp_cost_usd", "usd_at_most", "US dollars at most of all finished runs of a workflow", "counter"),
    _run("ctp_cost_gpu_hours", "gpu_hours_at_most", "GPU hours at most of all finished runs of a workflow", "counter"),
    *(_stage_cost(stage) for stage in ("label", "train", "gate")),
)
# Of the UTC month, whatever workflow has ended last.
OF_A_MONTH = (
    _month("ctp_month_cost_usd", "month_usd_at_most", "US dollars at most of the runs that ended in this UTC month"),
    _month("ctp_month_cost_limit_usd", "month_usd_limit", "the month's ceiling in US dollars; 0: none"),
    _month("ctp_month_gpu_hours", "month_gpu_hours_at_most", "GPU hours at most of the runs that ended in this UTC month"),
    _month("ctp_cost_month", "month_number", "the UTC month, 1-12, that these numbers are of"),
    _month("ctp_month_gpu_hours_limit", "month_gpu_hours_limit", "the month's ceiling in GPU hours; 0: none"),
)
OF_A_QUARTER = (
    _bound("estimate", "usd_per_point"),
    _bound("low", "usd_per_point_low"),
    _bound("high", "usd_per_point_high"),
)
