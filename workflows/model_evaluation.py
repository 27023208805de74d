"""`model-evaluation`: the champion against the version it replaced, by the gate's rules, on today's golden set.

This is the monthly full evaluation. A backtest would try another reward policy, which is a
question about labels; whether the model that serves is still the better one is the gate's.
"""

from __future__ import annotations

from hera.workflows import Task, WorkflowTemplate

from workflows import parameters
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.gate_servers import gate_urls
from workflows.templates import kebab, step_template, task_output, workflow_param

NAME = "model-evaluation"


def build(env: Environment) -> WorkflowTemplate:
    """The WorkflowTemplate. Before the second release there is nothing to compare with, and the gate is skipped."""
    replaced = f"'{task_output('resolve', 'previous')}' != ''"
    gate = {"champion": task_output("resolve", "previous_artifact"), "candidate": task_output("resolve", "champion_artifact")}
    urls = {kebab(name): url for name, url in gate_urls(env).items()}
    reason = {"stage": "gate", "reason": task_output("gate", "reason"), "by": "the pipeline"}
    tasks = [
        Task(name="resolve", template="resolve", arguments={"golden": workflow_param("golden")}),
        Task(
            name="gate",
            template="gate",
            depends="resolve.Succeeded",
            when=replaced,
            arguments={**gate, "golden": task_output("resolve", "golden"), **urls},
        ),
        Task(
            name="rejected-gate",
            template="reject",
            depends="gate.Succeeded",
            when=f"'{task_output('gate', 'phase')}' != 'Successful'",
            arguments=reason,
        ),
    ]
    templates = [
        step_template(env, "resolve", ("golden",)),
        step_template(env, "gate", ("champion", "candidate", "golden", *gate_urls(env))),
        step_template(env, "reject", ("stage", "reason", "by")),
    ]
    description = "Compare the champion with the version that it replaced; fails when the champion no longer passes the gate."
    return workflow_template(env, NAME, description, tasks, templates, [parameters.golden(env)])
