"""Waiting for a RayJob: submit it, look until it has ended, delete it when its workflow did not end well.

Submit once, then wait idempotently: a lost executor's pod neither duplicates nor disturbs a training. All
templates name the RayJob by the workflow's uid, and only the waiting is tried again.
Source: Argo Workflows v4.1.2, workflow/executor/resource.go and workflow/controller/scope.go.
"""

from __future__ import annotations

import json
from typing import Any

from hera.workflows import Parameter, Resource, RetryStrategy
from hera.workflows import models as m

from steps.operate.cost.metering import GPUS_ELSEWHERE
from workflows import resources
from workflows.environment import Environment
from workflows.rayjob import manifest, reference
from workflows.templates import gauge, input_param, kebab, labels

SUBMIT, WAIT, DELETE = "rayjob-submit", "rayjob-wait", "rayjob-delete"
GPUS = "gpus"
# What starts and watches RayJobs.
ACCOUNT = "launch"
DONE = "status.jobStatus == SUCCEEDED"
# A comma is "or" here. jobStatus FAILED is left out: another attempt may follow.
FAILED = "status.jobDeploymentStatus in (Failed, ValidationFailed),status.jobStatus == STOPPED"
LONGEST_S = 7 * 86400


def rayjob_templates(env: Environment, account: str, inputs: tuple[str, ...]) -> list[Resource]:
    """What creates the RayJob, whose pods run under `account`, out of `inputs`, and what waits for its end.

    What waits is given the number of GPUs that work meanwhile: their cost is metered by the time of its pod.
    """
    submit = Resource(
        **_resource(env, SUBMIT, 600),
        inputs=[Parameter(name=kebab(name)) for name in inputs],
        action="create",
        manifest=manifest(env, account),
        set_owner_reference=True,
    )
    nemo = env.workflows.nemo
    # Queueing is not bounded by the RayJob: this is.
    deadline = min(LONGEST_S, nemo.attempts * (nemo.deadline_s + nemo.pending_s) + 86400)
    wait = Resource(
        **_resource(env, WAIT, deadline),
        inputs=[Parameter(name=GPUS)],
        action="get",
        manifest=reference(env),
        success_condition=DONE,
        failure_condition=FAILED,
        retry_strategy=_wait_again(),
        annotations={GPUS_ELSEWHERE: input_param(GPUS)},
    )
    return [submit, wait]


def clean_up_template(env: Environment) -> Resource:
    """What ends a RayJob that a failed or stopped workflow left behind; where there is none it does nothing.

    The owner reference alone would act when the workflow is deleted, weeks later.
    """
    return Resource(**_resource(env, DELETE, 600), action="delete", manifest=reference(env), retry_strategy=_wait_again())


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
        "service_account_name": resources.service_account(ACCOUNT),
        "active_deadline_seconds": deadline_s,
        "labels": labels(ACCOUNT),
        "pod_spec_patch": json.dumps({"containers": [container]}, sort_keys=True),
        "metrics": m.Metrics(prometheus=[duration]),
    }
