"""Training with one of two trainers: a DAG that stands where the pod of the step `train` stands otherwise.

Submit once, then wait idempotently: a lost executor's pod neither duplicates nor disturbs a training. Both
templates name the RayJob by the workflow's uid, and only the waiting is tried again.
Source: Argo Workflows v4.1.2, workflow/executor/resource.go and workflow/controller/scope.go.
"""

from __future__ import annotations

import json
from typing import Any

from hera.workflows import DAG, Container, Parameter, Resource, RetryStrategy, Task
from hera.workflows import models as m

from steps.operate.cost.estimates import train_gpus
from steps.operate.cost.metering import GPUS_ELSEWHERE
from workflows import resources
from workflows.environment import Environment
from workflows.rayjob import manifest, reference
from workflows.templates import MUTEXES, OUTPUTS, gauge, input_param, kebab, labels, step_template, task_output

EITHER, NEMO_DAG, SUBMIT, WAIT, DELETE = "train-either", "train-nemo-rl", "rayjob-submit", "rayjob-wait", "rayjob-delete"
INPUTS = ("dataset", "base", "method", "approved_digest")
DONE = "status.jobStatus == SUCCEEDED"
# A comma is "or" here. jobStatus FAILED is left out: another attempt may follow.
FAILED = "status.jobDeploymentStatus in (Failed, ValidationFailed),status.jobStatus == STOPPED"
LONGEST_S = 7 * 86400

AnyTemplate = DAG | Container | Resource


def train_templates(env: Environment, inputs: tuple[str, ...]) -> list[AnyTemplate]:
    """`train-either` and all that it runs.

    Args:
        env: the environment, which offers NeMo-RL.
        inputs: parameters of the stage `train`; `trainer` comes in addition.
    """
    given = {kebab(name): input_param(name) for name in inputs}
    choice = input_param("trainer")
    tasks: list[Task | m.DAGTask] = [
        Task(name="trl", template="train", when=f"'{choice}' == 'trl'", arguments=given),
        Task(name="nemo", template=NEMO_DAG, when=f"'{choice}' == 'nemo-rl'", arguments=given),
    ]
    either = DAG(
        name=EITHER,
        inputs=[Parameter(name=kebab(name)) for name in (*inputs, "trainer")],
        outputs=[Parameter(name=kebab(name), value_from=m.ValueFrom(expression=_of_the_one_that_ran(name))) for name in OUTPUTS["train"]],
        tasks=tasks,
    )
    return [either, step_template(env, "train", inputs), *_nemo_templates(env, inputs)]


def _of_the_one_that_ran(output: str) -> str:
    """Outputs of a skipped task are absent, and an absent one fails the node: only the other branch is looked at."""
    name = kebab(output)
    return f"inputs.parameters.trainer == 'nemo-rl' ? tasks.nemo.outputs.parameters.{name} : tasks.trl.outputs.parameters.{name}"


def _nemo_templates(env: Environment, inputs: tuple[str, ...]) -> list[AnyTemplate]:
    given = {kebab(name): input_param(name) for name in inputs}
    key = {"key": task_output("prepare", "key")}
    needed = f"'{task_output('prepare', 'needed')}' == 'yes'"
    tasks: list[Task | m.DAGTask] = [
        Task(name="prepare", template="nemo-prepare", arguments=given),
        Task(name="submit", template=SUBMIT, depends="prepare.Succeeded", when=needed, arguments=key),
        # That the RayJob exists already is fine: then an earlier pod of `submit` was lost after it had created it.
        Task(name="wait", template=WAIT, depends="submit.Succeeded || submit.Failed || submit.Errored"),
        Task(name="collect", template="nemo-collect", depends="wait.Succeeded || submit.Skipped", arguments=given | key),
    ]
    dag = DAG(
        name=NEMO_DAG,
        inputs=[Parameter(name=kebab(name)) for name in inputs],
        outputs=[
            Parameter(name=kebab(name), value_from=m.ValueFrom(parameter=task_output("collect", name))) for name in OUTPUTS["nemo-collect"]
        ],
        tasks=tasks,
        synchronization=m.Synchronization(mutexes=[m.Mutex(name=MUTEXES[NEMO_DAG])]),
    )
    submit = Resource(
        **_resource(env, SUBMIT, 600),
        inputs=[Parameter(name="key")],
        action="create",
        manifest=manifest(env),
        set_owner_reference=True,
    )
    nemo = env.workflows.nemo
    # Queueing is not bounded by the RayJob: this is.
    deadline = min(LONGEST_S, nemo.attempts * (nemo.deadline_s + nemo.pending_s) + 86400)
    wait = Resource(
        **_resource(env, WAIT, deadline),
        action="get",
        manifest=reference(env),
        success_condition=DONE,
        failure_condition=FAILED,
        retry_strategy=_wait_again(),
        # What the GPUs of the RayCluster cost is metered by the time that this pod waits for them.
        annotations={GPUS_ELSEWHERE: str(train_gpus(env.pipeline, "nemo-rl"))},
    )
    return [
        dag,
        step_template(env, "nemo-prepare", inputs),
        submit,
        wait,
        step_template(env, "nemo-collect", (*inputs, "key")),
    ]


def clean_up_templates(env: Environment) -> list[Resource]:
    """What ends a RayJob that a failed or stopped workflow left behind; where there is none it does nothing.

    The owner reference alone would act when the workflow is deleted, weeks later.
    """
    if not env.offers_nemo:
        return []
    return [Resource(**_resource(env, DELETE, 600), action="delete", manifest=reference(env), retry_strategy=_wait_again())]


def _wait_again() -> RetryStrategy:
    """Lost pods; never a training that failed."""
    return RetryStrategy(
        limit=10,
        backoff=m.Backoff(duration="30s", factor=m.IntOrString(root=2), cap="600s"),
        expression="lastRetry.status == 'Error' || lastRetry.message matches 'pod deleted|Evicted|imminent node shutdown'",
    )


def _resource(env: Environment, name: str, deadline_s: int) -> dict[str, Any]:
    """What the three have in common. Argo's own image runs them, confined by Argo as `restricted` demands."""
    status = m.MetricLabel(key="status", value="{{status}}")
    stage = m.MetricLabel(key="stage", value=name)
    sizes = resources.requirements(env.workflows.compute.control)
    container = {"name": "main", "resources": sizes.model_dump(mode="json", by_alias=True, exclude_none=True)}
    duration = gauge("ctp_stage_duration_seconds", "duration of the last attempt of a stage", "{{duration}}", [stage, status])
    return {
        "name": name,
        "service_account_name": resources.service_account("launch"),
        "active_deadline_seconds": deadline_s,
        "labels": labels("launch"),
        "pod_spec_patch": json.dumps({"containers": [container]}, sort_keys=True),
        "metrics": m.Metrics(prometheus=[duration]),
    }
