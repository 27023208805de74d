"""The last screen: what happened, and where to look."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from steps.laptop.report.record import RunReport

COLOURS = {"promoted": "green", "rejected": "yellow", "aborted": "red"}


def headline(report: RunReport) -> str:
    """The outcome in one sentence."""
    metric = report.gate.metrics.get("faithfulness") if report.gate else None
    gain = f"{metric.champion:.2f} → {metric.candidate:.2f}" if metric and metric.champion is not None else ""
    if report.outcome == "promoted":
        return f"Promoted: faithfulness on held-out questions {gain}; the new model takes 100 % of live traffic."
    if report.outcome == "aborted":
        return f"Aborted: the canary was worse than the champion, all traffic is back on it. {report.reason}"
    undecided = report.gate is not None and report.gate.phase == "Inconclusive"
    verdict = "Undecided, so the champion stays." if undecided else "Rejected: the champion stays."
    return f"{verdict} {report.reason}"


def _rows(report: RunReport) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if traces := report.ingest:
        gates = ", ".join(f"{name} {count}" for name, count in traces.by_gate.model_dump().items())
        rows.append(("traces", f"{traces.read} read, {traces.written} kept, {traces.quarantined} quarantined; gates: {gates}"))
    if labels := report.label:
        mean = f", mean reward {labels.mean_score:.2f}" if labels.mean_score is not None else ""
        rows.append(("labels", f"{labels.labelled} traces, {labels.llm_calls} judge calls, {labels.cache_hits} from cache{mean}"))
    if report.dataset:
        rows.append(("dataset", f"{report.dataset.pairs} pairs, digest {report.dataset.digest[:12]}"))
    if training := report.train:
        how = "reused" if training.reused else f"{training.seconds:.0f} s"
        rows.append(("training", f"{report.method.upper()}, {training.steps} steps, {how}"))
    for name, metric in (report.gate.metrics if report.gate else {}).items():
        if metric.champion is None or metric.candidate is None:
            continue
        known = metric.ci95 is not None and None not in metric.ci95
        interval = f" (95 % CI {metric.ci95[0]:+.3f} to {metric.ci95[1]:+.3f})" if metric.ci95 and known else ""
        rows.append((f"gate · {name}", f"{metric.champion:.3f} → {metric.candidate:.3f}{interval}"))
    if canary := report.canary:
        shares = ", ".join(f"{step.weight} % (saw {100 * (step.observed_share or 0):.1f} %) {step.verdict}" for step in canary.steps)
        rows.append(("canary traffic", f"{shares}; failed user requests: {canary.user_errors}"))
        if canary.abort_seconds is not None:
            rows.append(("abort", f"traffic back on stable in {canary.abort_seconds:.1f} s{_pin_back(report)}"))
    if report.registry:
        rows.append(("champion", f"{report.registry.champion}"))
    rows.append(("time", f"{sum(report.seconds.values()):.0f} s in stages, peak memory {report.peak_memory_mb or 0:,.0f} MiB"))
    return rows


def _pin_back(report: RunReport) -> str:
    """When Git said so, too."""
    moments = report.release.timeline if report.release else ()
    return next((f", pin back in Git after {moment.after_s:.1f} s" for moment in moments if moment.name == "pin_reverted"), "")


def print_summary(console: Console, report: RunReport, html: Path) -> None:
    """Print the outcome, the key figures and the path of the HTML report."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for key, value in _rows(report):
        table.add_row(key, escape(value))
    colour = COLOURS[report.outcome]
    console.print()
    console.print(Panel(escape(headline(report)), border_style=colour, style=f"bold {colour}", title=report.run_id, title_align="left"))
    console.print(table)
    console.print(f"\nReport: [link={html.absolute().as_uri()}]{escape(str(html))}[/link]", highlight=False, soft_wrap=True)
