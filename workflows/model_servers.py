"""The servers of the gate: where users are served by vLLM, both models answer the gate through that very image and arguments.

They stand beside the step in its pod, one GPU each, and end with it. Elsewhere the step starts `ctp serve model`
itself, which is what serves there, too.

Source: Argo Workflows v4.1.2, docs/fields.md (Template.initContainers, Template.sidecars).
"""

from __future__ import annotations

from hera.workflows import Container, UserContainer
from hera.workflows import models as m

from workflows import resources
from workflows.environment import Environment

# Port of each model's server, on the pod's own address.
PORTS = {"champion": 8001, "candidate": 8002}
# What the root file system and the user's missing entry in /etc/passwd need; as in rollouts/.
_CACHE = "/tmp/cache"  # noqa: S108
_ENV = {
    "HOME": "/tmp",  # noqa: S108
    "USER": "ctp",
    "XDG_CACHE_HOME": _CACHE,
    "HF_HOME": f"{_CACHE}/huggingface",
    "VLLM_CACHE_ROOT": f"{_CACHE}/vllm",
    "VLLM_CONFIG_ROOT": f"{_CACHE}/vllm-config",
    "TRITON_CACHE_DIR": f"{_CACHE}/triton",
    "TORCHINDUCTOR_CACHE_DIR": f"{_CACHE}/inductor",
    "CUDA_CACHE_PATH": f"{_CACHE}/cuda",
    "FLASHINFER_WORKSPACE_BASE": _CACHE,
    "NUMBA_CACHE_DIR": f"{_CACHE}/numba",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


def server_urls(env: Environment) -> dict[str, str]:
    """Addresses of both servers as the step `gate` takes them; empty: it starts them itself."""
    return {f"{arm}_url": f"http://127.0.0.1:{port}" if env.serving.engine == "vllm" else "" for arm, port in PORTS.items()}


def add_servers(env: Environment, gate: Container) -> Container:
    """Give the gate's template both servers, where there are any."""
    if env.serving.engine != "vllm":
        return gate
    size = env.workflows.compute.gate_server
    gate.init_containers = [_fetch(env, arm) for arm in PORTS]
    gate.sidecars = [_server(env, arm, port) for arm, port in PORTS.items()]
    for arm in PORTS:
        gate.volumes += [  # type: ignore[operator]
            m.Volume(name=f"{arm}-model", empty_dir=m.EmptyDirVolumeSource(size_limit=m.Quantity(root=env.serving.model_size))),
            m.Volume(name=f"{arm}-tmp", empty_dir=m.EmptyDirVolumeSource(size_limit=m.Quantity(root=size.scratch))),
            m.Volume(name=f"{arm}-shm", empty_dir=m.EmptyDirVolumeSource(medium="Memory", size_limit=m.Quantity(root=size.shm))),
        ]
    return gate


def _fetch(env: Environment, arm: str) -> UserContainer:
    """Put a model's files where its server looks, checked against their digest."""
    return UserContainer(
        name=f"fetch-{arm}",
        image=env.workflows.image,
        image_pull_policy=env.workflows.image_pull_policy,
        command=["ctp"],
        args=["fetch-model", f"--model={{{{inputs.parameters.{arm}}}}}", "--to=/models/current"],
        env=[m.EnvVar(name="HOME", value="/tmp")],  # noqa: S108
        resources=resources.requirements(env.workflows.compute.registry),
        security_context=resources.container_security(),
        volume_mounts=[
            m.VolumeMount(name="data", mount_path=resources.DATA, read_only=True),
            m.VolumeMount(name=f"{arm}-model", mount_path="/models"),
            m.VolumeMount(name=f"{arm}-tmp", mount_path="/tmp"),  # noqa: S108
        ],
    )


def _server(env: Environment, arm: str, port: int) -> UserContainer:
    """The server as users have it, but for its spans: the gate's questions are nobody's traffic."""
    arguments = ["--model=/models/current", f"--served-model-name={env.pipeline.model_name}", "--host=127.0.0.1", f"--port={port}"]
    return UserContainer(
        name=arm,
        image=env.serving.image,
        image_pull_policy=env.workflows.image_pull_policy,
        command=["python3", "-m", "vllm.entrypoints.openai.api_server"],
        args=[*arguments, *env.serving.args],
        env=[m.EnvVar(name=name, value=value) for name, value in _ENV.items()],
        resources=resources.requirements(env.workflows.compute.gate_server),
        security_context=resources.container_security(),
        volume_mounts=[
            m.VolumeMount(name=f"{arm}-model", mount_path="/models", read_only=True),
            m.VolumeMount(name=f"{arm}-tmp", mount_path="/tmp"),  # noqa: S108
            m.VolumeMount(name=f"{arm}-shm", mount_path="/dev/shm"),  # noqa: S108
        ],
    )
