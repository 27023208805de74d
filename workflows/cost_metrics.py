"""Metrics of cost: which output of a step becomes which metric. Argo puts `argo_workflows_` before each name.

Only fields of `record-outcome` and `cost-review` are named here, as data: the exit handler has read
the Workflow's own accounting, and no template could.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from hera.workflows import Container
from hera.workflows import models as m


class CostMetric(NamedTuple):
    """One metric: its kind, the field of the result that it shows, and its fixed labels."""

    name: str
    kind: Literal["gauge", "counter"]
    field: str
    help: str
    labels: tuple[tuple[str, str], ...] = ()


def _stage(stage: str) -> CostMetric:
    text = "US dollars at most of one kind of work in the last finished run of a workflow"
    return CostMetric("ctp_stage_cost_usd", "gauge", f"{stage}_usd_at_most", text, (("stage", stage),))


# Of every run, labelled with its workflow.
OF_A_RUN: tuple[CostMetric, ...] = (
    CostMetric("ctp_run_cost_usd", "gauge", "usd_at_most", "US dollars at most of the last finished run of a workflow"),
    CostMetric("ctp_run_gpu_hours", "gauge", "gpu_hours_at_most", "GPU hours at most of the last finished run of a workflow"),
    CostMetric("ctp_cost_usd", "counter", "usd_at_most", "US dollars at most of all finished runs of a workflow"),
    CostMetric("ctp_cost_gpu_hours", "counter", "gpu_hours_at_most", "GPU hours at most of all finished runs of a workflow"),
    *(_stage(stage) for stage in ("label", "train", "gate")),
)
# Of the UTC month, whatever workflow has ended last.
OF_A_MONTH: tuple[CostMetric, ...] = (
    CostMetric("ctp_month_cost_usd", "gauge", "month_usd_at_most", "US dollars at most of the runs that ended in this UTC month"),
    CostMetric("ctp_month_cost_limit_usd", "gauge", "month_usd_limit", "the month's ceiling in US dollars; 0: none"),
    CostMetric("ctp_month_gpu_hours", "gauge", "month_gpu_hours_at_most", "GPU hours at most of the runs that ended in this UTC month"),
    CostMetric("ctp_cost_month", "gauge", "month_number", "the UTC month, 1-12, that these numbers are of"),
    CostMetric("ctp_month_gpu_hours_limit", "gauge", "month_gpu_hours_limit", "the month's ceiling in GPU hours; 0: none"),
)


def _bound(bound: str, field: str) -> CostMetric:
    text = "US dollars for +0.01 faithfulness in the last reviewed quarter, with its 95 % interval; an upper bound of 0: there is none"
    return CostMetric("ctp_faithfulness_point_cost_usd", "gauge", field, text, (("bound", bound),))


OF_A_QUARTER: tuple[CostMetric, ...] = (
    _bound("estimate", "usd_per_point"),
    _bound("low", "usd_per_point_low"),
    _bound("high", "usd_per_point_high"),
)
RECORDED: tuple[str, ...] = ("metered", *dict.fromkeys(item.field for item in (*OF_A_RUN, *OF_A_MONTH)))
REVIEWED: tuple[str, ...] = ("priced", *(item.field for item in OF_A_QUARTER), "usd_at_most", "gpu_hours_at_most", "releases", "left_usd")


def add_metrics(template: Container, metrics: Sequence[CostMetric], *, when: str, workflow: str = "") -> None:
    """Let a step's template show fields of its result, where `when`, another field, is true."""
    common = [m.MetricLabel(key="workflow", value=workflow)] if workflow else []
    if not isinstance(template.metrics, m.Metrics):
        raise TypeError(f"template {template.name} has no metrics to add to")
    template.metrics.prometheus = [*(template.metrics.prometheus or []), *(_metric(item, common, when) for item in metrics)]


def _metric(item: CostMetric, common: list[m.MetricLabel], when: str) -> m.Prometheus:
    value = f"{{{{outputs.parameters.{item.field.replace('_', '-')}}}}}"
    own = [m.MetricLabel(key=key, value=text) for key, text in item.labels]
    return m.Prometheus(
        name=item.name,
        help=item.help,
        labels=[*common, *own] or None,
        when=f"{{{{outputs.parameters.{when}}}}} == true",
        gauge=m.Gauge(realtime=False, value=value) if item.kind == "gauge" else None,
        counter=m.Counter(value=value) if item.kind == "counter" else None,
    )
