"""Hera templates of steps: an argv list for `ctp step NAME`, its inputs and outputs, and everything a pod needs.

Nothing here imports what a step imports: only its `Params` and `Result` are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hera.workflows import Container, Parameter, Suspend
from hera.workflows import models as m

from steps.contract.catalog import find_step
from steps.contract.errors import ConfigError
from workflows import resources
from workflows.cost_metrics import RECORDED, REVIEWED
from workflows.environment import Environment
from workflows.gate_servers import add_servers
from workflows.stage_metrics import OF_A_STAGE, shown_by

# Fields of a step's result that other nodes, people or metrics read. The whole result may hold a
# training curve or examples with text: it stays in its file, and in the artifact repository where there is one.
OUTPUTS: dict[str, tuple[str, ...]] = {
    "check-params": ("since", "until", "method", "trainer", "config_hash"),
    "resolve": ("champion", "champion_artifact", "previous", "previous_artifact", "base", "golden", "traces"),
    "ingest": ("plan", "unit_ids", "files"),
    "backfill": ("plan", "unit_ids", "files"),
    "govern-shard": ("manifest", "kept"),
    "govern-commit": ("traces", "snapshot_id", "read", "written", "stopped", "quarantined", *shown_by("govern-commit")),
    "label-plan": ("shards", "traces", "unlabelled", "policy_version"),
    "label-shard": ("manifest", "labelled"),
    "label-commit": ("labels", "policy_version", "mean_score", "labelled", "unscored"),
    "backtest": ("compared", "mean_old", "mean_new", "shift", "rank_correlation", "pairs_flipped", "report"),
    "curate": ("phase", "reason", "dataset", "digest", "snapshot_id", "pairs", "prompts"),
    "estimate": ("phase", "reason", "gpu_hours", "cpu_core_hours", "usd", "month_usd", "config_hash"),
    "approve": ("decision", "phase", "by", "at", "digest", "reason"),
    "reject": (),
    "train": ("model", "method", "steps", "seconds"),
    "nemo-prepare": ("key", "needed", "steps", "rows"),
    "nemo-collect": ("model", "method", "steps", "seconds"),
    "gate": ("phase", "reason", "metrics", "verdict", *shown_by("gate")),
    "register": ("model", "artifact"),
    "release": ("commit", "changed"),
    "reconcile": ("action", "reason", "champion", "pinned"),
    "maintain": ("retired_traces", "compacted", "expired_snapshots", "deleted_files", "freed_bytes", *shown_by("maintain")),
    "erase": ("complete", "traces", "pending_files", "models", "next_step", *shown_by("erase")),
    "record-outcome": ("outcome", "recorded", "notified", *RECORDED),
    "cost-review": ("quarter", "statement", "report", "page", *REVIEWED),
}

# The output that counts rows, for the metric `ctp_stage_rows`.
ROWS: dict[str, str] = {
    "ingest": "files",
    "backfill": "files",
    "govern-shard": "kept",
    "govern-commit": "written",
    "label-shard": "labelled",
    "label-commit": "labelled",
    "curate": "pairs",
    "nemo-prepare": "rows",
    "backtest": "compared",
    "maintain": "retired_traces",
    "erase": "traces",
}

LAKE_COMMIT, RELEASE, NEMO_RL = "ctp-lake-commit", "ctp-release", "ctp-nemo-rl"
# Held while a template works, across all workflows of the namespace.
MUTEXES: dict[str, str] = {
    "govern-commit": LAKE_COMMIT,
    "label-commit": LAKE_COMMIT,
    "maintain": LAKE_COMMIT,
    "erase": LAKE_COMMIT,
    "release": RELEASE,
    "reconcile": RELEASE,
    # Two trainings of the same content would write the same checkpoints.
    "train-nemo-rl": NEMO_RL,
}
# Steps that another attempt cannot help: their failing is what they are for.
NEVER_RETRIED = frozenset({"reject"})


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


def step_template(env: Environment, step: str, inputs: Sequence[str]) -> Container:
    """The template that runs one step in a pod.

    Args:
        env: the environment.
        step: the step; also the template's name.
        inputs: the parameters that tasks give it; the others keep their defaults.

    Raises:
        ConfigError: the step has no role, lacks one of the parameters, or requires one that is not given.
    """
    _check_inputs(step, inputs)
    role = resources.ROLES[step]
    compute = resources.compute_of(env, role.kind)
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
        image=resources.image_of(env, role.kind),
        image_pull_policy=env.workflows.image_pull_policy,
        command=["ctp"],
        args=arguments,
        inputs=[Parameter(name=kebab(name)) for name in inputs],
        outputs=[*_outputs(step), *_artifacts(env, step)],
        resources=resources.requirements(compute),
        # Recorded with every model that the step registers.
        env=[m.EnvVar(name="CTP_IMAGE", value=resources.image_of(env, role.kind))],
        security_context=resources.container_security(),
        pod_spec_patch=resources.executor_security(),
        service_account_name=resources.service_account(role.duty),
        volumes=resources.own_volumes(compute, role.duty),
        volume_mounts=resources.mounts(compute),
        node_selector=compute.node_selector or None,
        tolerations=[m.Toleration(**item.model_dump()) for item in compute.tolerations] or None,
        active_deadline_seconds=compute.deadline_s,
        retry_strategy=None if step in NEVER_RETRIED else resources.retry(env.workflows.retries),
        synchronization=m.Synchronization(mutexes=[m.Mutex(name=MUTEXES[step])]) if step in MUTEXES else None,
        # The last lines of the log, which are the error's headline, become the node's message.
        termination_message_policy="FallbackToLogsOnError",
        labels=labels(role.duty),
        annotations={"karpenter.sh/do-not-disrupt": "true"} if compute.gpus or role.kind == "gate" else None,
        metrics=_metrics(step),
    )
    return add_servers(env, template) if step == "gate" else template


def labels(component: str) -> dict[str, str]:
    """Labels of an object or pod."""
    return {
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "hera",
        "app.kubernetes.io/name": "ctp",
        "app.kubernetes.io/part-of": "ctp",
    }


def _check_inputs(step: str, inputs: Sequence[str]) -> None:
    if step not in resources.ROLES or step not in OUTPUTS:
        raise ConfigError(f"step {step}: give it a role in workflows/resources.py and its outputs in workflows/templates.py")
    params, result, _ = find_step(step).load()
    unknown = [name for name in inputs if name not in params.model_fields]
    missing = [name for name, field in params.model_fields.items() if field.is_required() and name not in inputs]
    absent = [name for name in OUTPUTS[step] if name not in result.model_fields]
    if unknown or missing or absent:
        raise ConfigError(f"step {step}: no parameter {unknown}, not given {missing}, no output {absent}")


def _outputs(step: str) -> list[Parameter]:
    """Output parameters; the counting one is 0 when the step fails, so that its metric can be computed."""
    return [
        Parameter(
            name=kebab(name),
            value_from=m.ValueFrom(path=f"{resources.OUTPUTS}/{name}", default="0" if ROWS.get(step) == name else None),
        )
        for name in OUTPUTS[step]
    ]


def _artifacts(env: Environment, step: str) -> list[m.Artifact]:
    if not env.workflows.keep.artifacts or not OUTPUTS[step]:
        return []
    plain = m.ArchiveStrategy(none=m.NoneStrategy())
    return [m.Artifact(name="result", path=resources.RESULT_FILE, archive=plain, optional=True)]


def _metrics(step: str) -> m.Metrics:
    """Duration and outcome of every attempt; rows, and the expected cost, when it succeeded."""
    stage = m.MetricLabel(key="stage", value=step)
    status, succeeded = m.MetricLabel(key="status", value="{{status}}"), "{{status}} == Succeeded"
    metrics = [
        gauge("ctp_stage_duration_seconds", "duration of the last attempt of a stage", "{{duration}}", [stage, status]),
        m.Prometheus(name="ctp_stage_attempts", help="attempts of a stage", labels=[stage, status], counter=m.Counter(value="1")),
    ]
    if step in ROWS:
        rows = f"{{{{outputs.parameters.{kebab(ROWS[step])}}}}}"
        metrics.append(gauge("ctp_stage_rows", "rows that the last successful attempt of a stage gave", rows, [stage], when=succeeded))
    if step == "estimate":
        usd = "{{outputs.parameters.usd}}"
        metrics.append(gauge("ctp_train_estimated_cost_usd", "estimated cost of the newest training", usd, [stage], when=succeeded))
    for item in OF_A_STAGE.get(step, ()):
        own = [m.MetricLabel(key=key, value=text) for key, text in item.labels]
        value = f"{{{{outputs.parameters.{kebab(item.field)}}}}}"
        metrics.append(gauge(item.name, item.help, value, own, when=succeeded))
    return m.Metrics(prometheus=metrics)


def gauge(name: str, help_text: str, value: str, metric_labels: list[m.MetricLabel], *, when: str | None = None) -> m.Prometheus:
    """A gauge that is set once, at the end."""
    return m.Prometheus(name=name, help=help_text, labels=metric_labels or None, when=when, gauge=m.Gauge(realtime=False, value=value))


# What a person gives at an approval: (name, default, enum, description).
ANSWERS: tuple[tuple[str, str, list[str] | None, str], ...] = (
    ("approve", "no", ["yes", "no"], "yes to go on; anything else ends the run as rejected"),
    ("reason", "", None, "one line for the record"),
    ("approver", "", None, "your name; a yes needs one"),
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
            *(Parameter(name=key, default=default, enum=enum, description=text) for key, default, enum, text in ANSWERS),
        ],
        outputs=[
            Parameter(name=key, value_from=m.ValueFrom(supplied=m.SuppliedValueFrom(), default=default)) for key, default, _, _ in ANSWERS
        ],
        labels=labels("workflow"),
    )
