"""WorkflowTemplates and CronWorkflows: what is the same in all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hera.workflows import DAG, CronWorkflow, Parameter, Task, WorkflowTemplate
from hera.workflows import models as m

from steps.contract import nodes
from steps.contract.nodes import Workflow
from workflows import resources
from workflows.environment import Environment, Schedule
from workflows.graph import Graph, Templates
from workflows.model_servers import server_urls
from workflows.rayjob_wait import SUBMIT, clean_up_template
from workflows.templates import gauge, kebab, labels, workflow_param

ON_EXIT = "on-exit"
WEEK_S = 7 * 86400
# Argo CD applies it in the wave after the templates. A CronWorkflow that comes before its WorkflowTemplate is refused by
# the controller, and tried again only when its informer lists everything anew, 20 minutes later.
AFTER_TEMPLATES = {"argocd.argoproj.io/sync-wave": "1"}
# Seconds since 1970. Unlike a counter it tells a new run from an old one after the controller restarted.
STARTED = "{{workflow.creationTimestamp.s}}"


# What the orchestrator itself knows about a run.
OF_THE_RUN = {
    "workflow": "{{workflow.name}}",
    "status": "{{workflow.status}}",
    "duration_s": "{{workflow.duration}}",
    "failures": "{{workflow.failures}}",
    # Where the exit handler reads the Workflow to meter its pods.
    "namespace": "{{workflow.namespace}}",
}


def workflow_template(env: Environment, workflow: Workflow) -> WorkflowTemplate:
    """One WorkflowTemplate whose entrypoint `main` is the DAG of the workflow's nodes."""
    flows, name = env.workflows, workflow.name
    known = OF_THE_RUN | server_urls(env)
    metered = workflow.records == "always"
    if not metered:
        known["namespace"] = ""

    def of_run(item: str) -> str:
        return known[item] if item in known else workflow_param(kebab(item))

    templates = Templates(env, name, counted=metered)
    tasks = Graph(workflow.at("argo"), templates, {"run": of_run}, workflow.stands_for).build()
    exit_templates = _exit_templates(workflow, templates, of_run)
    return WorkflowTemplate(
        name=name,
        namespace=flows.namespace,
        labels=labels("workflow"),
        annotations={"workflows.argoproj.io/description": workflow.description, "workflows.argoproj.io/title": name},
        entrypoint="main",
        on_exit=ON_EXIT,
        arguments=[*(_parameter(env, item) for item in workflow.parameters), _config_parameter(env)],
        templates=[DAG(name="main", tasks=[*tasks]), *exit_templates, *templates.found.values()],
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


def _parameter(env: Environment, item: nodes.Parameter) -> Parameter:
    """A workflow's parameter; a value outside its enumeration is refused at submission."""
    options = [option for option in item.options if env.offers(item.requires.get(option, ""))]
    value = _text(getattr(env.workflows.defaults, item.setting)) if item.setting else item.default
    # Without a value submission fails, and a value of null would be one.
    default: dict[str, Any] = {} if value is None else {"value": value}
    return Parameter(name=kebab(item.name), enum=options or None, description=item.description, **default)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _config_parameter(env: Environment) -> Parameter:
    maps = list(env.workflows.config_maps)
    return Parameter(name="config", value=maps[0], enum=maps, description="ConfigMap whose key config.yaml is the pipeline's configuration")


def _exit_templates(workflow: Workflow, templates: Templates, of_run: Callable[[str], str]) -> list[Any]:
    """The exit handler, which runs however the workflow ended."""
    if workflow.exit is None:
        return []
    unless = "'{{workflow.status}}' != 'Succeeded'"
    step = templates.step(workflow.exit.step, tuple(workflow.exit.inputs))
    arguments = {kebab(key): of_run(source.partition(".")[2]) for key, source in workflow.exit.inputs.items()}
    record = Task(name=workflow.exit.name, template=step, arguments=arguments, when=None if workflow.records == "always" else unless)
    cleaning: list[Task] = []
    if SUBMIT in templates.found:
        clean_up = clean_up_template(templates.env)
        templates.add(clean_up)
        # Beside the record, not before it: neither failing keeps the other from running.
        cleaning = [Task(name=str(clean_up.name), template=str(clean_up.name), when=unless)]
    return [DAG(name=ON_EXIT, tasks=[record, *cleaning])]


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
        annotations=AFTER_TEMPLATES,
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
