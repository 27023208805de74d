"""Approvals in the local loop: what a person sees and answers."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import Field
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steps.contract.errors import UsageError
from steps.contract.nodes import Approval
from steps.contract.refs import Frozen

AUTOMATIC = "--yes"


class Answer(Frozen):
    """What a person has answered, as the step that records a decision takes it."""

    decision: str = Field(description="yes or no")
    approver: str = Field(description="who answered")
    reason: str = Field(description="one line; may be empty")
    how: str = Field(description="the way in which the answer was given")


def approver_name() -> str:
    """The login name of whoever runs the loop."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def show_request(console: Console, node: Approval, shown: Mapping[str, Any]) -> None:
    """Print what is to be approved."""
    table = Table(title=f"{node.title}?", title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for item in node.shows:
        value = shown[item.name]
        if isinstance(value, Mapping):
            for name, line in compared(value):
                table.add_row(escape(name), escape(line), "")
            continue
        table.add_row(escape(item.name.replace("_", " ")), escape(str(value)), escape(item.description))
    console.print(table)


def compared(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Both models' metrics, one line each."""
    lines = []
    for name, metric in metrics.items():
        if isinstance(metric, Mapping) and metric.get("ci95"):
            low, high = metric["ci95"]
            gain = f"95 % CI of the gain {low:+.3f} to {high:+.3f}"
            lines.append((name.replace("_", " "), f"{metric['champion']:.3f} → {metric['candidate']:.3f}, {gain}"))
    return lines


def ask_approval(console: Console, node: Approval, shown: Mapping[str, Any], *, automatic: bool) -> Answer:
    """Show the request and take yes or no.

    Raises:
        UsageError: nobody can answer (no terminal) and `--yes` was not given.
    """
    show_request(console, node, shown)
    if automatic:
        return Answer(decision="yes", approver=approver_name(), reason="automatic, by --yes", how=AUTOMATIC)
    if not sys.stdin.isatty():
        raise UsageError(f"{node.name} waits for a person: run ctp run in a terminal, or give --yes to approve automatically")
    answer = console.input("  Approve? \\[yes/no] ").strip().lower()
    decision = "yes" if answer in {"y", "yes"} else "no"
    return Answer(decision=decision, approver=approver_name(), reason=console.input("  Reason (may be empty): ").strip(), how="terminal")
