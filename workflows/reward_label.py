"""`reward-label`: score every trace that lacks a label of the configured reward policy."""

from __future__ import annotations

from hera.workflows import Task, WorkflowTemplate

from steps.contract.pipeline import PIPELINE
from workflows import parameters
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.loop import Loop
from workflows.templates import step_template, task_output, workflow_param

NAME = "reward-label"
CHECKED = ("window_days",)


def build(env: Environment) -> WorkflowTemplate:
    """The WorkflowTemplate."""
    check = Task(name="check-params", template="check-params", arguments={"window-days": workflow_param("window-days")})
    resolve = Task(name="resolve", template="resolve", depends="check-params.Succeeded", arguments={"golden": workflow_param("golden")})
    given = {
        "run.since": task_output("check-params", "since"),
        "run.until": task_output("check-params", "until"),
        "govern.traces": task_output("resolve", "traces"),
        "run.golden": task_output("resolve", "golden"),
    }
    loop = Loop(env, given, roots=("resolve",)).add(tuple(stage for stage in PIPELINE if stage.name == "label"))
    return workflow_template(
        env,
        NAME,
        "Label the traces of the window with Ragas and the judge; what has a label is not asked again.",
        [check, resolve, *loop.tasks],
        [step_template(env, "check-params", CHECKED), step_template(env, "resolve", ("golden",)), *loop.templates],
        [parameters.window_days(env), parameters.golden(env)],
    )
