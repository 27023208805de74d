"""Hera templates of steps: an argv list for `ctp step NAME`, its inputs and outputs, and everything a pod needs.

Nothing here imports what a step imports: only its `Params` and `Result` are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hera.workflows import Container, Parameter, Suspend
from hera.workflows import models as m

from steps.contract.catalog import find_step
from steps.contract.errors import ConfigError
from steps.contract.spec import Metric, StepSpec
from workflows import resources
from workflows.environment import Environment
from workflows.model_servers import add_servers


def kebab(name: str) -> str:
    """A field's name as Argo and the command line write it."""
    return name.replace("_", "-")


def workflow_param(name: str) -> str:
    """Reference to a parameter of the workflow."""
    return f"{{{{workflow.parameters.{name}}}}}"


def task_output(task: str, field: str) -> str:
    """Reference to an output of a task of the same DAG."""
    return f"{{{{tasks.{task}.outputs.parameters.{kebab(field)}}}}}"


def input_param(name: str) -> str:
    """Reference to an input of the template that it stands in."""
    return f"{{{{inputs.parameters.{kebab(name)}}}}}"


def step_template(env: Environment, step: str, inputs: Sequence[str], *, workflow: str, counted: bool = True) -> Container:
    """The template that runs one step in a pod.

    Args:
        env: the environment.
        step: the step; also the template's name.
        inputs: the parameters that tasks give it; the others keep their defaults.
        workflow: the workflow that the template stands in, for metrics that carry its name.
        counted: whether the step's metrics that need a boolean field to be true are shown.

    Raises:
        ConfigError: no workflow may run the step, it lacks one of the parameters, or requires one that is not given.
    """
    spec = find_step(step)
    _check_inputs(spec, inputs)
    compute = resources.compute_of(env, spec.compute)
    image = resources.image_of(env, model=spec.model_image)
    arguments = [
        "step",
        step,
        f"--config={resources.CONFIG_FILE}",
        f"--workdir={resources.WORKDIR}",
        "--run-id={{workflow.uid}}",
        f"--result-file={resources.RESULT_FILE}",
        f"--outputs-dir={resources.OUTPUTS}",
        *(f"--{kebab(name)}={input_param(name)}" for name in inputs),
    ]
    template = Container(
        name=step,
        image=image,
        image_pull_policy=env.workflows.image_pull_policy,
        command=["ctp"],
        args=arguments,
        inputs=[Parameter(name=kebab(name)) for name in inputs],
        outputs=[*_outputs(spec), *_artifacts(env, spec)],
        resources=resources.requirements(compute),
        # Recorded with every model that the step registers.
        env=[m.EnvVar(name="CTP_IMAGE", value=image)],
        security_context=resources.container_security(),
        pod_spec_patch=resources.executor_security(),
        service_account_name=resources.service_account(spec.account),
        volumes=resources.own_volumes(compute, spec.account),
        volume_mounts=resources.mounts(compute),
        node_selector=compute.node_selector or None,
        tolerations=[m.Toleration(**item.model_dump()) for item in compute.tolerations] or None,
        active_deadline_seconds=compute.deadline_s,
        # Where another attempt cannot help, failing is what the step is for.
        retry_strategy=resources.retry(env.workflows.retries) if spec.retried else None,
        synchronization=m.Synchronization(mutexes=[m.Mutex(name=spec.mutex)]) if spec.mutex else None,
        # The last lines of the log, which are the error's headline, become the node's message.
        termination_message_policy="FallbackToLogsOnError",
        labels=labels(spec.account),
        annotations={"karpenter.sh/do-not-disrupt": "true"} if compute.gpus or spec.model_servers else None,
        metrics=_metrics(spec, workflow, counted=counted),
    )
    return add_servers(env, template) if spec.model_servers else template


def labels(component: str) -> dict[str, str]:
    """Labels of an object or pod."""
    return {
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "hera",
        "app.kubernetes.io/name": "ctp",
        "app.kubernetes.io/part-of": "ctp",
    }


def _check_inputs(spec: StepSpec, inputs: Sequence[str]) -> None:
    if not spec.account:
        raise ConfigError(f"step {spec.name}: give it a service account in steps/contract/catalog.py")
    params, result, _ = spec.load()
    unknown = [name for name in inputs if name not in params.model_fields]
    missing = [name for name, field in params.model_fields.items() if field.is_required() and name not in inputs]
    absent = [name for name in spec.all_outputs if name not in result.model_fields]
    if unknown or missing or absent:
        raise ConfigError(f"step {spec.name}: no parameter {unknown}, not given {missing}, no output {absent}")


def _outputs(spec: StepSpec) -> list[Parameter]:
    """Output parameters; the counting one is 0 when the step fails, so that its metric can be computed."""
    return [
        Parameter(
            name=kebab(name),
            value_from=m.ValueFrom(path=f"{resources.OUTPUTS}/{name}", default="0" if spec.rows == name else None),
        )
        for name in spec.all_outputs
    ]


def _artifacts(env: Environment, spec: StepSpec) -> list[m.Artifact]:
    if not env.workflows.keep.artifacts or not spec.outputs:
        return []
    plain = m.ArchiveStrategy(none=m.NoneStrategy())
    return [m.Artifact(name="result", path=resources.RESULT_FILE, archive=plain, optional=True)]


def _metrics(spec: StepSpec, workflow: str, *, counted: bool) -> m.Metrics:
    """Duration and outcome of every attempt; rows and what the step found when it succeeded."""
    stage = m.MetricLabel(key="stage", value=spec.name)
    status, succeeded = m.MetricLabel(key="status", value="{{status}}"), "{{status}} == Succeeded"
    metrics = [
        gauge("ctp_stage_duration_seconds", "duration of the last attempt of a stage", "{{duration}}", [stage, status]),
        m.Prometheus(name="ctp_stage_attempts", help="attempts of a stage", labels=[stage, status], counter=m.Counter(value="1")),
    ]
    if spec.rows:
        rows = f"{{{{outputs.parameters.{kebab(spec.rows)}}}}}"
        metrics.append(gauge("ctp_stage_rows", "rows that the last successful attempt of a stage gave", rows, [stage], when=succeeded))
    metrics += [_metric(item, workflow, succeeded) for item in spec.metrics if counted or not item.when]
    return m.Metrics(prometheus=metrics)


def _metric(item: Metric, workflow: str, succeeded: str) -> m.Prometheus:
    """A field of the result as a metric."""
    value = f"{{{{outputs.parameters.{kebab(item.field)}}}}}"
    by_workflow = [m.MetricLabel(key="workflow", value=workflow)] if item.by_workflow else []
    own = [m.MetricLabel(key=key, value=text) for key, text in item.labels]
    return m.Prometheus(
        name=item.name,
        help=item.help,
        labels=[*by_workflow, *own] or None,
        when=f"{{{{outputs.parameters.{kebab(item.when)}}}}} == true" if item.when else succeeded,
        gauge=m.Gauge(realtime=False, value=value) if item.kind == "gauge" else None,
        counter=m.Counter(value=value) if item.kind == "counter" else None,
    )


def gauge(name: str, help_text: str, value: str, metric_labels: list[m.MetricLabel], *, when: str | None = None) -> m.Prometheus:
    """A gauge that is set once, at the end."""
    return m.Prometheus(name=name, help=help_text, labels=metric_labels or None, when=when, gauge=m.Gauge(realtime=False, value=value))


# What a person gives at an approval: field of the form, parameter of the step that records it, default, enum, description.
ANSWERS: tuple[tuple[str, str, str, list[str] | None, str], ...] = (
    ("approve", "decision", "no", ["yes", "no"], "yes to go on; anything else ends the run as rejected"),
    ("reason", "reason", "", None, "one line for the record"),
    ("approver", "approver", "", None, "your name; a yes needs one"),
)


def approval_template(name: str, shown: Mapping[str, str]) -> Suspend:
    """The node at which a run waits for a person; without an answer, resuming it means no.

    It has no duration: Argo would let it succeed when that is over.

    Args:
        name: of the approval.
        shown: what the person sees: name -> what it is.
    """
    return Suspend(
        name=name,
        inputs=[
            *(Parameter(name=key, description=text) for key, text in shown.items()),
            *(Parameter(name=key, default=default, enum=enum, description=text) for key, _, default, enum, text in ANSWERS),
        ],
        outputs=[
            Parameter(name=key, value_from=m.ValueFrom(supplied=m.SuppliedValueFrom(), default=default))
            for key, _, default, _, _ in ANSWERS
        ],
        labels=labels("workflow"),
    )
