"""The `workflows:` block of an environment's values, and which environments share one rendering of the workflows.

A default lives on its field and suits a GPU cluster; `charts/environments/<env>/values.yaml`
holds only what differs. The `pipeline:` block of the same file is what `ctp` itself reads at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from steps.contract.config import PipelineConfig, load_config
from steps.contract.errors import ConfigError
from steps.contract.refs import Frozen

ROOT = Path(__file__).parent.parent
# Folder of workflows/rendered -> the environments whose clusters take it. Another one for an environment that must
# differ in what is rendered is a line here and a path in its values (rootApp.own.workflows.path).
RENDERINGS: Mapping[str, tuple[str, ...]] = {"kind": ("kind",), "eks": ("staging", "production")}
ENVIRONMENTS = tuple(name for names in RENDERINGS.values() for name in names)

Cron = Annotated[str, StringConstraints(pattern=r"^(\S+ ){4}\S+$")]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|Mi|Gi|Ti)?$")]


class Toleration(Frozen):
    """A taint that a pod bears."""

    key: str = Field(description="of the taint")
    operator: Literal["Exists", "Equal"] = Field(default="Exists", description="Exists, or Equal to a value")
    value: str | None = Field(default=None, description="of the taint, with Equal")
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = Field(default="NoSchedule", description="of the taint")


class Compute(Frozen):
    """What one kind of work gets. Memory is requested and limited alike, so that no pod is killed for a neighbour's use."""

    cpu: Quantity = Field(description="requested cores")
    cpu_limit: Quantity = Field(description="cores at most")
    memory: Quantity = Field(description="requested and at most")
    gpus: int = Field(default=0, ge=0, description="whole GPUs")
    shm: str = Field(default="", description="size of /dev/shm, which counts as memory; empty: the runtime's own")
    scratch: Quantity = Field(default="2Gi", description="size of the emptyDir on /tmp")
    deadline_s: int = Field(default=3600, ge=60, description="a pod that runs longer is ended")
    node_selector: dict[str, str] = Field(default={}, description="labels that the node must have")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="taints that the pod bears")


class ComputeClasses(Frozen):
    """One entry for each kind of work; `workflows.resources` says which step is of which kind."""

    control: Compute = Compute(cpu="100m", cpu_limit="1", memory="512Mi", scratch="256Mi", deadline_s=600)
    data: Compute = Compute(cpu="2", cpu_limit="4", memory="8Gi", scratch="16Gi", deadline_s=7200)
    judge: Compute = Compute(cpu="1", cpu_limit="4", memory="4Gi", deadline_s=21600)
    train: Compute = Compute(
        cpu="24",
        cpu_limit="48",
        memory="256Gi",
        gpus=8,
        shm="64Gi",
        scratch="64Gi",
        deadline_s=86400,
        node_selector={"ctp.dev/pool": "train"},
        tolerations=(Toleration(key="nvidia.com/gpu"),),
    )
    # The GPUs are those of the two servers beside it (`workflows.model_servers`); without these it needs its own.
    gate: Compute = Compute(
        cpu="4",
        cpu_limit="8",
        memory="16Gi",
        deadline_s=21600,
        node_selector={"ctp.dev/pool": "gate"},
        tolerations=(Toleration(key="nvidia.com/gpu"),),
    )
    # One model's server in the gate's pod; node and deadline are the gate's.
    gate_server: Compute = Compute(cpu="6", cpu_limit="16", memory="40Gi", gpus=1, shm="8Gi", scratch="20Gi")
    registry: Compute = Compute(cpu="250m", cpu_limit="2", memory="1Gi", deadline_s=1800)
    # Tokenizes the dataset before a training on many nodes, and takes the digest of a whole model after it.
    nemo: Compute = Compute(cpu="4", cpu_limit="8", memory="16Gi", scratch="8Gi", deadline_s=7200)


class RayNode(Frozen):
    """One pod of a RayJob. Memory is requested and limited alike."""

    cpu: Quantity = Field(description="requested cores, and at most")
    memory: Quantity = Field(description="requested and at most; /dev/shm counts as memory")
    shm: Quantity = Field(description="size of /dev/shm, where Ray keeps its objects")
    scratch: Quantity = Field(description="size of the emptyDir on /tmp: Ray's session, logs and compiled kernels")
    node_selector: dict[str, str] = Field(
        default={}, description="labels that the node must have. The queue's flavors are told apart by them"
    )
    tolerations: tuple[Toleration, ...] = Field(default=(), description="taints that the pod bears")


class Nemo(Frozen):
    """The RayJob of a training with NeMo-RL; how many nodes and GPUs stands in `pipeline.train.nemo`."""

    image: str = Field(
        default="",
        pattern=r"^([a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+(:[\w.-]+|@sha256:[0-9a-f]{64}))?$",
        description="target `nemo-rl` of steps/Dockerfile; needed where `pipeline.train.nemo.enabled`",
    )
    ray_version: str = Field(default="2.55.1", pattern=r"^\d+\.\d+\.\d+$", description="Ray in that image")
    queue: str = Field(default="ctp-train", description="Kueue's LocalQueue")
    priority_class: str = Field(
        default="ctp-train", description="PriorityClass of the pods and WorkloadPriorityClass in the queue; empty: none"
    )
    efa: int = Field(default=16, ge=0, le=32, description="EFA interfaces of one worker; 0: TCP")
    head: RayNode = Field(
        default=RayNode(
            cpu="6",
            memory="26Gi",
            shm="8Gi",
            scratch="64Gi",
            node_selector={"ctp.dev/pool": "head"},
            tolerations=(Toleration(key="ctp.dev/pool", operator="Equal", value="head"),),
        ),
        description="the pod without GPUs that runs the driver; losing it ends an attempt",
    )
    worker: RayNode = Field(
        default=RayNode(
            cpu="180",
            memory="1800Gi",
            shm="512Gi",
            scratch="1Ti",
            node_selector={"ctp.dev/pool": "train"},
            tolerations=(Toleration(key="nvidia.com/gpu"),),
        ),
        description="a pod that takes a whole GPU node",
    )
    attempts: int = Field(
        default=4, ge=1, le=20, description="RayClusters in all: after a Spot interruption the next one goes on from the last checkpoint"
    )
    deadline_s: int = Field(default=86400, ge=600, le=7 * 86400, description="bound of one attempt")
    pending_s: int = Field(
        default=5400, ge=60, le=86400, description="an attempt whose nodes have not come by then ends; waiting in the queue does not count"
    )
    network: dict[str, str] = Field(
        default={
            "FI_EFA_USE_DEVICE_RDMA": "1",
            "FI_PROVIDER": "efa",
            "NCCL_DEBUG": "INFO",
            "NCCL_DEBUG_SUBSYS": "INIT,NET",
            "NCCL_SOCKET_IFNAME": "^lo,docker,veth",
        },
        description="environment variables of NCCL and libfabric, the same on every pod",
    )


class Schedule(Frozen):
    """When a workflow starts by itself."""

    cron: Cron | Literal[""] = Field(default="", description="five fields, in `Schedules.timezone`; empty: never")
    every_weeks: int = Field(
        default=1, ge=1, le=13, description="of the weeks that cron names, take every n-th; weeks are counted from Thursday 1 January 1970"
    )
    week: int = Field(default=0, ge=0, description="which of them, from 0")

    @model_validator(mode="after")
    def _week_exists(self) -> Schedule:
        if self.week >= self.every_weeks:
            raise ValueError(f"week {self.week}: with every_weeks {self.every_weeks} it is 0 to {self.every_weeks - 1}")
        # A week begins on Thursday 00:00 UTC. A cron of every day would run seven times in it.
        if self.every_weeks > 1 and not re.fullmatch(r"\S+ \S+ \S+ \S+ [0-7]", self.cron):
            raise ValueError(f"cron {self.cron!r}: with every_weeks it must name one weekday, as in '0 3 * * 1'")
        return self


class Schedules(Frozen):
    """All cadences."""

    timezone: str = Field(default="Etc/UTC", description="of every cron, as in Etc/UTC")
    starting_deadline_s: int = Field(default=3600, ge=60, description="a start missed for longer, with the controller down, is skipped")
    suspended: bool = Field(default=False, description="keep the CronWorkflows but start nothing")
    trace_ingest: Schedule = Schedule(cron="0 1 * * *")
    reward_label: Schedule = Schedule(cron="0 3 * * 0")
    continuous_training: Schedule = Schedule(cron="0 5 * * 1", every_weeks=2)
    model_evaluation: Schedule = Schedule(cron="0 6 1 * *")
    table_maintenance: Schedule = Schedule(cron="0 4 * * 3")
    cost_review: Schedule = Schedule(cron="0 6 1 1,4,7,10 *")
    release_reconcile: Schedule = Schedule(cron="* * * * *")


class RunDefaults(Frozen):
    """Defaults of the workflows' parameters."""

    window_days: int = Field(default=14, ge=0, le=3650, description="how many days of traces count, today included; 0: all")
    method: Literal["dpo", "grpo"] = Field(default="dpo", description="dpo (preference pairs) or grpo (judged samples)")
    base_model: str = Field(default="", description="empty: the champion")
    max_cost_usd: float = Field(default=0, ge=0, description="0: no limit")
    golden: str = Field(description="the golden set: a path on the volume, or a reference with its digest")
    sources: str = Field(default="", description="trace sources beside ingest.sources, separated by commas")
    trainer: Literal["trl", "nemo-rl"] = Field(default="trl", description="trl (one pod) or nemo-rl (many nodes)")


class Parallelism(Frozen):
    """How many pods work at the same time."""

    govern: int = Field(default=16, ge=1, description="shards that are governed at the same time")
    label: int = Field(default=16, ge=1, description="shards that are labelled at the same time")
    workflow: int = Field(default=32, ge=1, description="pods of one workflow at the same time")


class Retries(Frozen):
    """How transient failures and lost pods are tried again."""

    limit: int = Field(default=4, ge=0, le=20, description="attempts after the first")
    wait_s: int = Field(default=30, ge=1, description="seconds before the second attempt")
    factor: int = Field(default=2, ge=1, le=10, description="each wait is so many times the one before")
    longest_wait_s: int = Field(default=900, ge=1, description="longest wait in seconds")
    within_s: int = Field(default=43200, ge=60, description="no attempt starts later than this after the first")
    other_node: bool = Field(default=True, description="avoid the node that failed; false where there is only one")


class Keep(Frozen):
    """What stays after a workflow and how long."""

    success_s: int = Field(default=7 * 86400, ge=3600, description="seconds that a workflow which ended well is kept")
    failure_s: int = Field(default=30 * 86400, ge=3600, description="seconds that any other workflow is kept")
    pod_s: int = Field(default=600, ge=0, description="finished pods are deleted after this; failed ones stay with their workflow")
    artifacts: bool = Field(default=True, description="the namespace has an artifact repository: keep logs and result files there")


class Workflows(Frozen):
    """The whole block."""

    namespace: str = Field(default="training-pipeline", description="where WorkflowTemplates and pods live")
    image: str = Field(
        pattern=r"^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+(:[\w.-]+|@sha256:[0-9a-f]{64})$",
        description="holds `ctp`; there is no default, because Hera's would be a bare Python",
    )
    train_image: str = Field(
        default="",
        pattern=r"^([a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+(:[\w.-]+|@sha256:[0-9a-f]{64}))?$",
        description="the same with torch and TRL, for training and gate; empty: `image`",
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(default="IfNotPresent", description="of every pod")
    user_id: int = Field(default=65532, ge=1, description="any but 0 works")
    config_maps: tuple[str, ...] = Field(
        default=("ctp-config",),
        min_length=1,
        description="ConfigMaps whose key `config.yaml` is a configuration; a run names one of them, by default the first",
    )
    claim: str = Field(
        default="ctp-data",
        description=(
            "PersistentVolumeClaim of artifacts and checkpoints, shared by the pods of a run: ReadWriteOnce where "
            "there is one node, ReadWriteMany (EFS, FSx) otherwise"
        ),
    )
    deadline_s: int = Field(default=14 * 86400, ge=3600, description="bound of a whole workflow; the days that it waits for a person count")
    defaults: RunDefaults
    schedules: Schedules = Schedules()
    parallelism: Parallelism = Parallelism()
    retries: Retries = Retries()
    keep: Keep = Keep()
    compute: ComputeClasses = ComputeClasses()
    nemo: Nemo = Nemo()


class Serving(Frozen):
    """What the gate needs of the block `serving:`, defaults of rollouts/ included: it asks both models as users do."""

    engine: Literal["vllm", "ctp"] = Field(description="what serves: vLLM, or `ctp serve model`")
    image: str = Field(description="of vLLM")
    args: tuple[str, ...] = Field(default=(), description="its arguments beside model, name and address")
    model_size: Quantity = Field(description="of the volume that holds one model")


@dataclass(frozen=True)
class Environment:
    """One environment: its name, the workflows' values, the steps' configuration and how the model is served."""

    name: str
    workflows: Workflows
    pipeline: PipelineConfig
    serving: Serving

    def offers(self, key: str) -> bool:
        """Whether a key of the configuration is true; the empty key always is."""
        value: Any = self.pipeline
        for part in key.split(".") if key else ():
            value = getattr(value, part)
        return bool(value)

    @property
    def offers_nemo(self) -> bool:
        """Whether a run may choose `trainer=nemo-rl`."""
        return self.pipeline.train.nemo.enabled

    def rendered_values(self) -> dict[str, Any]:
        """Key -> value of everything that stands in rendered workflows; the rest of `pipeline:` is read at run time."""
        blocks = {"workflows": self.workflows.model_dump(), "serving": self.serving.model_dump()}
        pipeline = {"pipeline.model_name": self.pipeline.model_name, "pipeline.train.nemo.enabled": self.offers_nemo}
        return dict(_flat(blocks)) | pipeline


def _flat(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def load_environment(name: str, root: Path = ROOT) -> Environment:
    """Read `charts/environments/<name>/values.yaml`.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or a value in it is unknown or out of bounds.
    """
    path = root / "charts" / "environments" / name / "values.yaml"
    pipeline = load_config(path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        workflows = Workflows.model_validate(document.get("workflows") or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ("workflows", *first["loc"]))
        raise ConfigError(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}") from error
    env = Environment(name, workflows, pipeline, _serving(document.get("serving") or {}, root))
    if env.offers_nemo and not workflows.nemo.image:
        raise ConfigError(f"{path}: workflows.nemo.image: pipeline.train.nemo.enabled needs the image of target nemo-rl")
    if workflows.defaults.trainer == "nemo-rl" and not env.offers_nemo:
        raise ConfigError(f"{path}: workflows.defaults.trainer: nemo-rl needs pipeline.train.nemo.enabled")
    return env


def _serving(settings: dict[str, Any], root: Path) -> Serving:
    """The environment's block over the defaults of rollouts/."""
    chart = next(path for path in (root / "rollouts" / "values.yaml", ROOT / "rollouts" / "values.yaml") if path.is_file())
    defaults = yaml.safe_load(chart.read_text(encoding="utf-8"))["serving"]
    vllm = defaults["vllm"] | (settings.get("vllm") or {})
    block = defaults | settings
    return Serving(engine=block["engine"], image=vllm["image"], args=tuple(vllm["args"]), model_size=block["modelSize"])
