"""Dashboard *Loop*: what ran, how long ago, how long it took, and what it gave."""

from __future__ import annotations

from workflows.generate.dashboards.panels import Json, bars, dashboard, series, stat, table

LAST = "last value seen: Argo shows it until its controller restarts, recording rules keep it"


def build() -> Json:
    """The dashboard."""
    started = "ctp:run_started_timestamp_seconds:last"
    panels = [
        stat(
            "Since the last success",
            "Time since the start of the last run of each workflow that succeeded.",
            f'time() - max by (workflow) ({started}{{status="Succeeded"}})',
            "s",
            "{{workflow}}",
            width=16,
            height=6,
        ),
        table(
            "Alerts",
            "What fires now, with its severity; each has a runbook.",
            'sum by (alertname, severity) (ALERTS{alertstate="firing",team="ctp"})',
            hidden=("Value",),
            height=6,
        ),
        stat("Running workflows", "By phase.", "sum by (phase) (argo_workflows_gauge)", legend="{{phase}}", width=8),
        stat(
            "Estimated cost of the newest training",
            "What `estimate` said before the approval.",
            "max(ctp:train_estimated_cost_usd:last)",
            "currencyUSD",
            width=8,
        ),
        stat(
            "Change of the gate's judge",
            "Of its mean score of stored answers against its record; at the limit the gate decides nothing.",
            "ctp:judge_shift:last",
            "percentunit",
            width=8,
        ),
        bars(
            "Seconds by stage",
            f"Last successful attempt of each; {LAST}.",
            'sort_desc(ctp:stage_duration_seconds:last{status="Succeeded"})',
            "{{stage}}",
            "s",
            height=12,
        ),
        bars("Rows by stage", f"Of the last successful attempt; {LAST}.", "sort_desc(ctp:stage_rows:last)", "{{stage}}", height=12),
        series(
            "Attempts by stage that failed",
            "Retries included.",
            [('sum by (stage) (increase(argo_workflows_ctp_stage_attempts{status!="Succeeded"}[$__rate_interval]))', "{{stage}}")],
            height=12,
        ),
        series("Duration of runs", "Of the last finished one.", [("ctp:run_duration_seconds:last", "{{workflow}} {{status}}")], "s"),
        series("Traces of the last ingest", "By what became of them.", [("ctp:ingest_traces:last", "{{result}}")]),
        series(
            "Labelling",
            "Traces of the last labelling, and the share without a score.",
            [("ctp:labels:last", "{{result}}"), ("ctp:unscored:ratio", "share without a score")],
        ),
    ]
    return dashboard("loop", "CTP · Loop", "Stages, rows, gates and ages of the continuous training loop.", panels)
