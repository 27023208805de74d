"""Findings of `ctp doctor`: one a check, whatever the check raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from steps.contract.errors import EXIT_BUG, EXIT_OK, PipelineError, classify
from steps.contract.refs import Frozen

Status = Literal["ok", "failed", "skipped"]


class Skip(Exception):  # noqa: N818 - no error: the check does not apply
    """The check does not apply here; its text says why."""


class Finding(Frozen):
    """One line of the report."""

    area: str = Field(description="what was looked at, as in `lake`")
    status: Status = Field(description="skipped checks do not apply to this configuration")
    detail: str = Field(description="what was found; of a failure: what is wrong and the remedy")
    exit_code: int = Field(default=EXIT_OK, description="of a failure, the exit code that a step would end with")


def look(area: str, check: Callable[[], str]) -> Finding:
    """Run one check; its text is what it found.

    A failure outside our own types is a finding too: one broken check must not hide the others.
    """
    try:
        return Finding(area=area, status="ok", detail=check())
    except Skip as reason:
        return Finding(area=area, status="skipped", detail=str(reason))
    except Exception as error:  # noqa: BLE001 - see above
        known = classify(error)
        if isinstance(known, PipelineError):
            return Finding(area=area, status="failed", detail=f"{known.headline}: {known}", exit_code=known.exit_code)
        text = " ".join(str(error).split())[:200]
        return Finding(area=area, status="failed", detail=f"{type(error).__name__}: {text}", exit_code=EXIT_BUG)


def worst_exit_code(findings: tuple[Finding, ...]) -> int:
    """Exit code of the whole: the first failure's, 0 without one."""
    return next((finding.exit_code for finding in findings if finding.status == "failed"), EXIT_OK)
