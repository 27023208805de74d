"""Approvals in the local loop: what a person sees, says, and what is kept of it."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steps.contract.errors import UsageError
from steps.contract.refs import Frozen


class Approval(Frozen):
    """A decision, who made it and what was shown.

    `digest` is the content the decision is bound to: the next step refuses any other.
    """

    name: str
    decision: str
    by: str
    at: str
    automatic: bool
    digest: str
    reason: str
    shown: dict[str, str]


def approver_name() -> str:
    """The login name of whoever runs the loop."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def show_request(console: Console, title: str, shown: dict[str, str]) -> None:
    """Print what is to be approved."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in shown.items():
        table.add_row(escape(key.replace(".", " ").replace("_", " ")), escape(value))
    console.print(table)


def ask_approval(console: Console, name: str, title: str, shown: dict[str, str], *, digest: str, automatic: bool) -> Approval:
    """Show the request and take yes or no.

    Raises:
        UsageError: nobody can answer (no terminal) and `--yes` was not given.
    """
    show_request(console, title, shown)
    reason = "automatic, by --yes"
    decision = "approved"
    if not automatic:
        if not sys.stdin.isatty():
            raise UsageError(f"{name} waits for a person: run ctp run in a terminal, or give --yes to approve automatically")
        answer = console.input("  Approve? \\[yes/no] ").strip().lower()
        decision = "approved" if answer in {"y", "yes"} else "rejected"
        reason = console.input("  Reason (may be empty): ").strip()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Approval(name=name, decision=decision, by=approver_name(), at=at, automatic=automatic, digest=digest, reason=reason, shown=shown)


def approval_from(record: dict[str, Any]) -> Approval:
    """An approval as it was recorded."""
    return Approval.model_validate(record)
