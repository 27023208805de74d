"""`ctp doctor`: every check, one line each, with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steps.contract.config import PipelineConfig
from steps.contract.spec import SILENT, Progress
from steps.operate.doctor import checks, cluster, monitoring
from steps.operate.doctor.finding import Finding, look


def examine(config: PipelineConfig, workdir: Path, prometheus: str = "", progress: Progress = SILENT) -> tuple[Finding, ...]:
    """Run all checks; none changes anything.

    Args:
        config: the effective configuration.
        workdir: absolute.
        prometheus: address that the analyses ask; empty: none is known.
        progress: where to report it.
    """
    local: dict[str, Callable[[], str]] = {
        "python": checks.python,
        "packages": checks.packages,
        "work folder": lambda: checks.work_folder(workdir),
        "secret files": lambda: checks.secret_files(config),
        "AWS": lambda: checks.aws(config),
        "sources": lambda: checks.sources(config),
        "reward judge": lambda: checks.judge("reward_judge", config.reward_judge),
        "gate judge": lambda: checks.judge("gate_judge", config.gate_judge),
        "lake": lambda: checks.lake(config, workdir),
        "registry": lambda: checks.registry(config, workdir),
        "git": lambda: checks.git(config, workdir),
        "prometheus": lambda: monitoring.prometheus(config, prometheus),
    }
    findings = []
    with progress.task("checking", total=len(local) + 1, unit="checks") as task:
        for area, check in local.items():
            task.note(area)
            findings.append(look(area, check))
            task.advance()
        task.note("cluster")
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
