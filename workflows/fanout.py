"""Fan-out: a stage of the loop as many pods that write files and one that commits them.

A shard that fails is tried again alone: the retry rule stands on the shard's template.
`parallelism` of the DAG bounds how many work at once.
"""

from __future__ import annotations

from hera.workflows import DAG, Container, Parameter, Task
from hera.workflows import models as m

from workflows.environment import Environment
from workflows.templates import OUTPUTS, input_param, kebab, step_template, task_output

# Stages of the pipeline that a cluster runs as a DAG of their own: stage -> its templates' steps.
FAN_OUT: dict[str, tuple[str, ...]] = {"govern": ("govern-shard", "govern-commit"), "label": ("label-plan", "label-shard", "label-commit")}
# What such a stage takes instead of the parameter of the step in one process: units are named by
# their ids and found in the plan's file, so that thousands of files never stand in an argument.
INSTEAD: dict[str, dict[str, str]] = {"govern": {"plan": "plan", "unit_ids": "unit_ids"}}
INSTEAD_OF: dict[str, str] = {"govern": "units"}


def govern_templates(env: Environment) -> list[DAG | Container]:
    """`govern`: one pod a unit of the plan, then one commit a table. No unit is no shard, and an empty commit."""
    shard = step_template(env, "govern-shard", ("unit", "plan"))
    commit = step_template(env, "govern-commit", ("plan",))
    plan = {"plan": input_param("plan")}
    tasks: list[Task | m.DAGTask] = [
        Task(name="shard", template="govern-shard", with_param=input_param("unit_ids"), arguments={"unit": "{{item}}", **plan}),
        # The commit finds every unit of the plan by itself, and refuses when one is missing.
        Task(name="commit", template="govern-commit", depends="shard.Succeeded || shard.Skipped", arguments=plan),
    ]
    dag = DAG(
        name="govern",
        inputs=[Parameter(name="plan"), Parameter(name="unit-ids")],
        outputs=_outputs_of("govern-commit", "commit"),
        tasks=tasks,
        parallelism=env.workflows.parallelism.govern,
    )
    return [dag, shard, commit]


def label_templates(env: Environment) -> list[DAG | Container]:
    """`label`: plan the shares, one pod a share, one commit."""
    window = {"since": input_param("since"), "until": input_param("until")}
    plan = step_template(env, "label-plan", ("traces", "golden", "since", "until"))
    shard = step_template(env, "label-shard", ("traces", "shard", "shards", "since", "until"))
    commit = step_template(env, "label-commit", ("traces", "shards", "since", "until"))
    traces = {"traces": task_output("plan", "traces")}
    tasks: list[Task | m.DAGTask] = [
        Task(name="plan", template="label-plan", arguments={"traces": input_param("traces"), "golden": input_param("golden"), **window}),
        Task(
            name="shard",
            template="label-shard",
            depends="plan.Succeeded",
            with_param=task_output("plan", "shards"),
            arguments={**traces, "shard": "{{item.shard}}", "shards": "{{item.shards}}", **window},
        ),
        Task(
            name="commit",
            template="label-commit",
            depends="shard.Succeeded",
            arguments={**traces, "shards": task_output("shard", "manifest"), **window},
        ),
    ]
    dag = DAG(
        name="label",
        inputs=[Parameter(name="traces"), Parameter(name="golden"), Parameter(name="since"), Parameter(name="until")],
        outputs=_outputs_of("label-commit", "commit"),
        tasks=tasks,
        parallelism=env.workflows.parallelism.label,
    )
    return [dag, plan, shard, commit]


def _outputs_of(step: str, task: str) -> list[Parameter]:
    """Outputs of a DAG that are those of the task that runs `step`."""
    return [Parameter(name=kebab(name), value_from=m.ValueFrom(parameter=task_output(task, name))) for name in OUTPUTS[step]]
