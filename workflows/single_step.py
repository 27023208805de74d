"""Workflows of one step: erasure, maintenance, backtest, reconciliation."""

from __future__ import annotations

from collections.abc import Sequence

from hera.workflows import Parameter, Task, WorkflowTemplate

from workflows import parameters
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.templates import step_template, workflow_param


def _single(
    env: Environment, name: str, step: str, description: str, given: Sequence[Parameter], *, metered: bool = True
) -> WorkflowTemplate:
    """A workflow that gives its parameters to one step."""
    names = [str(item.name) for item in given]
    task = Task(name=step, template=step, arguments={name: workflow_param(name) for name in names})
    templates = [step_template(env, step, [name.replace("-", "_") for name in names])]
    return workflow_template(env, name, description, [task], templates, given, metered=metered, recorded=metered)


def erase_user(env: Environment) -> WorkflowTemplate:
    """`erase-user`. It takes the keyed hash, never the id: parameters stay readable as long as their workflow."""
    given = [
        parameters.required("user-hash", "the user's keyed hash, 64 hex digits (`ctp erase --hash-only` prints it)"),
        parameters.required("requested-by", "who asked for it, for the record"),
    ]
    description = "Take one user's data out of the lake, down to the bytes, and keep it out."
    return _single(env, "erase-user", "erase", description, given)


def table_maintenance(env: Environment) -> WorkflowTemplate:
    """`table-maintenance`."""
    given = [parameters.optional("today", "the day that retention counts from, as in 2026-05-01; empty: today")]
    description = "Retention, compaction of closed days, snapshot expiry and deletion of files that no snapshot refers to."
    return _single(env, "table-maintenance", "maintain", description, given)


def reward_backtest(env: Environment) -> WorkflowTemplate:
    """`reward-backtest`."""
    given = [
        parameters.required("policy", 'the values that change, as JSON: {"label": {"weights": {"judge": 0.6}}}'),
        parameters.optional("days", "how many days back", "30"),
        parameters.optional("sample", "at most this many traces", "500"),
    ]
    description = "Try a changed reward policy on past traces and compare; no label changes."
    return _single(env, "reward-backtest", "backtest", description, given)


def release_reconcile(env: Environment) -> WorkflowTemplate:
    """`release-reconcile`."""
    description = "Make Git pin, agent manifest and champion alias agree with what the Rollout ended as."
    # Every minute some core seconds: a record of each would fill the lake and say nothing.
    return _single(env, "release-reconcile", "reconcile", description, [], metered=False)
