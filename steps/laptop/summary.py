"""The last screen: what happened, and where to look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

COLOURS = {"promoted": "green", "rejected": "yellow", "aborted": "red"}


def headline(report: dict[str, Any]) -> str:
    """The outcome in one sentence."""
    metric = ((report.get("gate") or {}).get("metrics") or {}).get("faithfulness")
    gain = f"{metric['champion']:.2f} → {metric['candidate']:.2f}" if metric and metric.get("champion") is not None else ""
    if report["outcome"] == "promoted":
        return f"Promoted: faithfulness on held-out questions {gain}; the new model takes 100 % of live traffic."
    if report["outcome"] == "aborted":
        return f"Aborted: the canary was worse than the champion, all traffic is back on it. {report.get('reason', '')}"
    undecided = (report.get("gate") or {}).get("phase") == "Inconclusive"
    verdict = "Undecided, so the champion stays." if undecided else "Rejected: the champion stays."
    return f"{verdict} {report.get('reason', '')}"


def _rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if ingest := report.get("ingest"):
        gates = ", ".join(f"{name} {count}" for name, count in ingest["by_gate"].items())
        rows.append(("traces", f"{ingest['read']} read, {ingest['written']} kept, {ingest['quarantined']} quarantined; gates: {gates}"))
    if label := report.get("label"):
        mean = f", mean reward {label['mean_score']:.2f}" if label.get("mean_score") is not None else ""
        rows.append(("labels", f"{label['labelled']} traces, {label['llm_calls']} judge calls, {label['cache_hits']} from cache{mean}"))
    if dataset := report.get("dataset"):
        rows.append(("dataset", f"{dataset['pairs']} pairs, digest {dataset['digest'][:12]}"))
    if train := report.get("train"):
        how = "reused" if train.get("reused") else f"{train['seconds']:.0f} s"
        rows.append(("training", f"{report['method'].upper()}, {train['steps']} steps, {how}"))
    for name, metric in ((report.get("gate") or {}).get("metrics") or {}).items():
        if metric.get("champion") is None or metric.get("candidate") is None:
            continue
        interval = (
            f" (95 % CI {metric['ci95'][0]:+.3f} to {metric['ci95'][1]:+.3f})" if metric.get("ci95") and None not in metric["ci95"] else ""
        )
        rows.append((f"gate · {name}", f"{metric['champion']:.3f} → {metric['candidate']:.3f}{interval}"))
    if canary := report.get("canary"):
        shares = ", ".join(
            f"{step['weight']} % (saw {100 * (step['observed_share'] or 0):.1f} %) {step['verdict']}" for step in canary["steps"]
        )
        rows.append(("canary", f"{shares}; failed user requests: {canary['user_errors']}"))
        if canary.get("abort_seconds") is not None:
            rows.append(("abort", f"traffic back on stable in {canary['abort_seconds']:.1f} s{_pin_back(report)}"))
    if registry := report.get("registry"):
        rows.append(("champion", f"{registry['champion']}"))
    total = sum(report.get("seconds", {}).values())
    rows.append(("time", f"{total:.0f} s in stages, peak memory {report.get('peak_memory_mb') or 0:,.0f} MiB"))
    return rows


def _pin_back(report: dict[str, Any]) -> str:
    """When Git said so, too."""
    moments = (report.get("release") or {}).get("timeline") or ()
    return next((f", pin back in Git after {moment['after_s']:.1f} s" for moment in moments if moment["name"] == "pin_reverted"), "")


def print_summary(console: Console, report: dict[str, Any], html: Path) -> None:
    """Print the outcome, the key figures and the path of the HTML report."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for key, value in _rows(report):
        table.add_row(key, escape(value))
    colour = COLOURS[report["outcome"]]
    console.print()
    console.print(Panel(escape(headline(report)), border_style=colour, style=f"bold {colour}", title=report["run_id"], title_align="left"))
    console.print(table)
    console.print(f"\nReport: [link={html.absolute().as_uri()}]{escape(str(html))}[/link]", highlight=False, soft_wrap=True)
