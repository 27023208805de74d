"""`backfill`: the trace files of a range of days, however old."""

from __future__ import annotations

from hera.workflows import Task, WorkflowTemplate

from steps.contract.pipeline import PIPELINE
from workflows import parameters
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.loop import Loop
from workflows.templates import step_template, task_output, workflow_param

NAME = "backfill"
INPUTS = ("since", "until", "sources", "undated")


def build(env: Environment) -> WorkflowTemplate:
    """The WorkflowTemplate: `govern` as in the loop, over a plan of its own."""
    plan = Task(name="backfill", template="backfill", arguments={name: workflow_param(name) for name in INPUTS})
    planned = {f"ingest.{name}": task_output("backfill", name) for name in ("units", "plan", "unit_ids")}
    loop = Loop(env, planned, roots=("backfill",)).add(tuple(stage for stage in PIPELINE if stage.name == "govern"))
    return workflow_template(
        env,
        NAME,
        "Bring the trace files of a range of days into the lake; what is there already is not read again.",
        [plan, *loop.tasks],
        [step_template(env, "backfill", INPUTS), *loop.templates],
        [
            parameters.required("since", "first day, as in 2026-05-01"),
            parameters.required("until", "last day, as in 2026-05-31"),
            parameters.sources(env),
            parameters.optional("undated", "what happens to files whose path names no day", "skip", ["skip", "read"]),
        ],
    )
