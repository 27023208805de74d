"""Who a step runs as, what it gets, where it may write, and when it is tried again."""

from __future__ import annotations

import json

from hera.workflows import RetryStrategy
from hera.workflows import models as m

from steps.contract.errors import EXIT_TRANSIENT
from workflows.environment import Compute, Environment, Retries

CONFIG_FILE = "/etc/ctp/config.yaml"
SECRETS = "/etc/ctp-secrets"
DATA = "/data"
WORKDIR = "/data/ctp"
RESULT_FILE = "/tmp/ctp/result.json"  # noqa: S108 - an emptyDir of the pod's own
OUTPUTS = "/tmp/ctp/outputs"  # noqa: S108


def service_account(account: str) -> str:
    """Full name of a service account."""
    return f"ctp-{account}"


def compute_of(env: Environment, name: str) -> Compute:
    """The environment's numbers for one compute class."""
    compute: Compute = getattr(env.workflows.compute, name)
    return compute


def image_of(env: Environment, *, model: bool) -> str:
    """The image of a step; what loads models or tokenizers needs the one that holds torch."""
    flows = env.workflows
    return (flows.train_image or flows.image) if model else flows.image


def requirements(compute: Compute) -> m.ResourceRequirements:
    """Requests and limits of the main container."""
    requests = {"cpu": compute.cpu, "memory": compute.memory}
    limits = {"cpu": compute.cpu_limit, "memory": compute.memory}
    if compute.gpus:
        requests["nvidia.com/gpu"] = limits["nvidia.com/gpu"] = str(compute.gpus)
    return m.ResourceRequirements(
        requests={name: m.Quantity(root=value) for name, value in requests.items()},
        limits={name: m.Quantity(root=value) for name, value in limits.items()},
    )


def container_security() -> m.SecurityContext:
    """What Pod Security `restricted` demands of a container, and a read-only root besides."""
    return m.SecurityContext(
        allow_privilege_escalation=False,
        capabilities=m.Capabilities(drop=["ALL"]),
        privileged=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
    )


def executor_security() -> str:
    """The same for Argo's own two containers, which a plain installation leaves unconfined: `restricted` would refuse every pod.

    A strategic merge patch by name. Their user stays the pod's: the program that `init` copies runs in `main`, and
    `wait` reads what `main` wrote. The root stays writable, since Argo's program needs it. An installation with
    `initlessPod` has other containers, and cannot take this patch.

    Source: Argo Workflows v4.1.2, newExecContainer and build in workflow/controller/workflowpod.go.
    """
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "privileged": False, "runAsNonRoot": True}
    wait, init = ({"name": name, "securityContext": security} for name in ("wait", "init"))
    return json.dumps({"containers": [wait], "initContainers": [init]}, sort_keys=True)


def pod_security(env: Environment) -> m.PodSecurityContext:
    """What it demands of a pod; `fsGroup` makes a fresh volume writable."""
    user = env.workflows.user_id
    return m.PodSecurityContext(
        fs_group=user,
        fs_group_change_policy="OnRootMismatch",
        run_as_group=user,
        run_as_non_root=True,
        run_as_user=user,
        seccomp_profile=m.SeccompProfile(type="RuntimeDefault"),
    )


def shared_volumes(env: Environment, config_map: str) -> list[m.Volume]:
    """Volumes of every pod of a workflow."""
    return [
        # Optional, so that a name that does not exist ends the first step with a message instead of leaving its pod waiting.
        m.Volume(name="config", config_map=m.ConfigMapVolumeSource(name=config_map, optional=True)),
        m.Volume(name="data", persistent_volume_claim=m.PersistentVolumeClaimVolumeSource(claim_name=env.workflows.claim)),
    ]


def own_volumes(compute: Compute, account: str) -> list[m.Volume]:
    """Volumes of one template: scratch space, shared memory, and the secrets of its service account if there are any."""
    volumes = [
        m.Volume(name="tmp", empty_dir=m.EmptyDirVolumeSource(size_limit=m.Quantity(root=compute.scratch))),
        m.Volume(name="secrets", secret=m.SecretVolumeSource(secret_name=service_account(account), optional=True, default_mode=0o440)),
    ]
    if compute.shm:
        volumes.append(m.Volume(name="shm", empty_dir=m.EmptyDirVolumeSource(medium="Memory", size_limit=m.Quantity(root=compute.shm))))
    return volumes


def mounts(compute: Compute) -> list[m.VolumeMount]:
    """Where they are mounted."""
    places = [
        m.VolumeMount(name="config", mount_path="/etc/ctp", read_only=True),
        m.VolumeMount(name="secrets", mount_path=SECRETS, read_only=True),
        m.VolumeMount(name="data", mount_path=DATA),
        m.VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108
    ]
    if compute.shm:
        places.append(m.VolumeMount(name="shm", mount_path="/dev/shm"))  # noqa: S108
    return places


def retry(values: Retries) -> RetryStrategy:
    """Exit code 75, and pods that were lost: deleted, evicted, or their node shut down or reclaimed. Nothing else.

    `retryPolicy` stays unset: with an expression Argo then asks it after every failure and
    error. The exit code is text, "-1" where no container ended by itself; 143 and 137 are
    SIGTERM and SIGKILL. A pod over its deadline or out of memory ends by them too, and would again.

    Source: Argo Workflows v4.1.2, docs/retries.md; inferFailedReason in workflow/controller/operator.go.
    """
    return RetryStrategy(
        limit=values.limit,
        affinity=m.RetryAffinity(node_anti_affinity=m.RetryNodeAntiAffinity()) if values.other_node else None,
        backoff=m.Backoff(
            duration=f"{values.wait_s}s",
            factor=m.IntOrString(root=values.factor),
            cap=f"{values.longest_wait_s}s",
            max_duration=f"{values.within_s}s",
        ),
        expression=(
            f"lastRetry.status == 'Error' || asInt(lastRetry.exitCode) == {EXIT_TRANSIENT} || "
            "(asInt(lastRetry.exitCode) in [-1, 137, 143] && !(lastRetry.message matches 'specified deadline|OOMKilled'))"
        ),
    )
