"""WorkflowTemplates and CronWorkflows: what is the same in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hera.workflows import DAG, CronWorkflow, Parameter, Task, WorkflowTemplate
from hera.workflows import models as m

from workflows import resources
from workflows.cost_metrics import OF_A_MONTH, OF_A_RUN, add_metrics
from workflows.environment import Environment, Schedule
from workflows.templates import gauge, kebab, labels, step_template, workflow_param

ON_EXIT = "on-exit"
WEEK_S = 7 * 86400
# Seconds since 1970. Unlike a counter it tells a new run from an old one after the controller restarted.
STARTED = "{{workflow.creationTimestamp.s}}"


def workflow_template(
    env: Environment,
    name: str,
    description: str,
    tasks: Sequence[Task],
    templates: Sequence[Any],
    parameters: Sequence[Parameter] = (),
    *,
    metered: bool = True,
    recorded: bool = True,
    clean_up: Sequence[Any] = (),
) -> WorkflowTemplate:
    """One WorkflowTemplate whose entrypoint `main` is the DAG of `tasks`.

    Args:
        env: the environment.
        name: of the WorkflowTemplate.
        description: what it does, shown in the user interface.
        tasks: of the DAG.
        templates: what they run.
        parameters: of the workflow, beside `config`.
        metered: its cost goes on record at its end.
        recorded: its success does, too; its failure always does.
        clean_up: templates that the exit handler runs first, unless the workflow succeeded.
    """
    flows = env.workflows
    names = [template.name for template in templates]
    if len(names) != len(set(names)):
        raise ValueError(f"{name}: a template stands twice in {names}")
    return WorkflowTemplate(
        name=name,
        namespace=flows.namespace,
        labels=labels("workflow"),
        annotations={"workflows.argoproj.io/description": description, "workflows.argoproj.io/title": name},
        entrypoint="main",
        on_exit=ON_EXIT,
        arguments=[*parameters, _config_parameter(env)],
        templates=[
            DAG(name="main", tasks=list(tasks)),
            *templates,
            *_exit_templates(env, name, clean_up, metered=metered, recorded=recorded),
        ],
        parallelism=flows.parallelism.workflow,
        service_account_name=resources.service_account("workflow"),
        security_context=resources.pod_security(env),
        pod_metadata=m.Metadata(labels={"app.kubernetes.io/part-of": "ctp", "ctp/workflow": name}),
        workflow_metadata=m.WorkflowMetadata(labels=labels("workflow")),
        volumes=resources.shared_volumes(env, workflow_param("config")),
        active_deadline_seconds=flows.deadline_s,
        pod_gc=m.PodGC(strategy="OnPodSuccess", delete_delay_duration=f"{flows.keep.pod_s}s"),
        ttl_strategy=m.TTLStrategy(seconds_after_success=flows.keep.success_s, seconds_after_failure=flows.keep.failure_s),
        archive_logs=True if flows.keep.artifacts else None,
        artifact_gc=_artifact_gc() if flows.keep.artifacts else None,
        metrics=_metrics(name),
    )


def _config_parameter(env: Environment) -> Parameter:
    maps = list(env.workflows.config_maps)
    return Parameter(name="config", value=maps[0], enum=maps, description="ConfigMap whose key config.yaml is the pipeline's configuration")


def _exit_templates(env: Environment, name: str, clean_up: Sequence[Any], *, metered: bool, recorded: bool) -> list[Any]:
    """The exit handler, which runs however the workflow ended."""
    arguments = {
        "workflow": "{{workflow.name}}",
        "status": "{{workflow.status}}",
        "duration_s": "{{workflow.duration}}",
        "failures": "{{workflow.failures}}",
        # Where the step reads the Workflow to meter its pods.
        "namespace": "{{workflow.namespace}}" if metered else "",
    }
    unless = "'{{workflow.status}}' != 'Succeeded'"
    given = {kebab(key): value for key, value in arguments.items()}
    task = Task(name="record-outcome", template="record-outcome", arguments=given, when=None if recorded else unless)
    record = step_template(env, "record-outcome", tuple(arguments))
    if metered:
        add_metrics(record, OF_A_RUN, when="metered", workflow=name)
        add_metrics(record, OF_A_MONTH, when="metered")
    # Beside the record, not before it: neither failing keeps the other from running.
    cleaning = [Task(name=template.name, template=template.name, when=unless) for template in clean_up]
    return [DAG(name=ON_EXIT, tasks=[task, *cleaning]), record, *clean_up]


def _artifact_gc() -> m.WorkflowLevelArtifactGC:
    """Logs and result files go with their workflow. An object that is gone already must not keep the workflow alive."""
    return m.WorkflowLevelArtifactGC(
        strategy="OnWorkflowDeletion", service_account_name=resources.service_account("maintenance"), force_finalizer_removal=True
    )


def _metrics(name: str) -> m.Metrics:
    kind = m.MetricLabel(key="workflow", value=name)
    status = m.MetricLabel(key="status", value="{{workflow.status}}")
    return m.Metrics(
        prometheus=[
            gauge("ctp_run_started_timestamp_seconds", "when the last finished run of a workflow began", STARTED, [kind, status]),
            gauge("ctp_run_duration_seconds", "duration of the last finished run of a workflow", "{{workflow.duration}}", [kind, status]),
            m.Prometheus(name="ctp_runs", help="finished runs of a workflow", labels=[kind, status], counter=m.Counter(value="1")),
        ]
    )


def cron_workflow(env: Environment, name: str, schedule: Schedule) -> CronWorkflow:
    """A CronWorkflow that starts the WorkflowTemplate of the same name with its default parameters."""
    schedules = env.workflows.schedules
    return CronWorkflow(
        name=name,
        namespace=env.workflows.namespace,
        labels=labels("workflow"),
        schedules=[schedule.cron],
        when=every_weeks(schedule),
        timezone=schedules.timezone,
        concurrency_policy="Forbid",
        starting_deadline_seconds=schedules.starting_deadline_s,
        cron_suspend=schedules.suspended or None,
        successful_jobs_history_limit=3,
        failed_jobs_history_limit=3,
        workflow_template_ref=m.WorkflowTemplateRef(name=name),
    )


def every_weeks(schedule: Schedule) -> str | None:
    """The condition that takes every n-th week, since cron cannot; None for every week.

    Seconds since 1970 modulo n weeks say in which of n weeks we are. There is no drift and no
    memory: a run that was left out, or one by hand, changes nothing.
    """
    if schedule.every_weeks == 1:
        return None
    period = schedule.every_weeks * WEEK_S
    first, after = schedule.week * WEEK_S, (schedule.week + 1) * WEEK_S
    return f"{{{{= now().Unix() % {period} >= {first} && now().Unix() % {period} < {after} }}}}"
