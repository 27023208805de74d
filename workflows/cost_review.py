"""`cost-review`: what the last quarter cost by month and stage, and what it bought."""

from __future__ import annotations

from hera.workflows import Task, WorkflowTemplate

from workflows import parameters
from workflows.cost_metrics import OF_A_QUARTER, add_metrics
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.templates import step_template, workflow_param

NAME = "cost-review"


def build(env: Environment) -> WorkflowTemplate:
    """The WorkflowTemplate."""
    step = step_template(env, NAME, ("quarter",))
    add_metrics(step, OF_A_QUARTER, when="priced")
    return workflow_template(
        env,
        NAME,
        "Bill of a quarter by month and stage, dollars for +0.01 faithfulness with an interval, and what is left of the budget.",
        [Task(name=NAME, template=NAME, arguments={"quarter": workflow_param("quarter")})],
        [step],
        [parameters.optional("quarter", "the quarter, as in 2026-Q2; empty: the one before today's")],
    )
