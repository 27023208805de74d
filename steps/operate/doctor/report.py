"""`ctp doctor`: every check, one line each, with the remedy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steps.contract.config import PipelineConfig
from steps.operate.doctor import checks, cluster, monitoring
from steps.operate.doctor.finding import Finding, look


def examine(config: PipelineConfig, workdir: Path, prometheus: str = "") -> tuple[Finding, ...]:
    """Run all checks; none changes anything.

    Args:
        config: the effective configuration.
        workdir: absolute.
        prometheus: address that the analyses ask; empty: none is known.
    """
    findings = [
        look("python", checks.python),
        look("packages", checks.packages),
        look("work folder", lambda: checks.work_folder(workdir)),
        look("secret files", lambda: checks.secret_files(config)),
        look("AWS", lambda: checks.aws(config)),
        look("sources", lambda: checks.sources(config)),
        look("reward judge", lambda: checks.judge("reward_judge", config.reward_judge)),
        look("gate judge", lambda: checks.judge("gate_judge", config.gate_judge)),
        look("lake", lambda: checks.lake(config, workdir)),
        look("registry", lambda: checks.registry(config, workdir)),
        look("git", lambda: checks.git(config, workdir)),
        look("prometheus", lambda: monitoring.prometheus(config, prometheus)),
    ]
    return (*findings, *_cluster(config.release.environment))


def _cluster(environment: str) -> list[Finding]:
    """The cluster's lines; one line where there is no cluster."""
    opened: list[Any] = []

    def version() -> str:
        opened.append(cluster.connect())
        return cluster.version(opened[0])

    findings = [look("cluster", version)]
    if findings[0].status == "ok":
        findings += [look(name, partial(cluster.component, opened[0], *what)) for name, what in cluster.needed(environment).items()]
    for api in opened:
        api.close()
    return findings


def show(findings: tuple[Finding, ...]) -> None:
    """Print the findings as a table."""
    table = Table(box=None, show_header=False, pad_edge=False)
    colours = {"ok": "green", "failed": "red", "skipped": "dim"}
    for finding in findings:
        table.add_row(f"[{colours[finding.status]}]{finding.status}[/]", finding.area, escape(finding.detail))
    Console(soft_wrap=False).print(table)
