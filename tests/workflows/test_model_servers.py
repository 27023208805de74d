"""The gate asks both models through the server that users get."""

from __future__ import annotations

import re

import pytest
import typer

from steps.cli.main import app
from workflows.environment import ENVIRONMENTS
from workflows.model_servers import PORTS, server_urls

from ..manifests.rendered import PIN, environment_files, merged, read_values, render
from .rendered import RENDERINGS, ROOT, environment_of, parameters, rendering_of, tasks, templates

WORKFLOWS = ("continuous-training", "train-and-release", "model-evaluation")
# What only a server of users says or is told: spans, and which pod and version it is.
OF_USERS = {"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "CTP_POD_TEMPLATE_HASH"}


def users_server(environment):
    """Container of the model in the Rollout of an environment that has released something."""
    values = merged(read_values(environment_files(environment)), PIN)
    found = [item for items in render(ROOT / "rollouts", values, "rollouts", "anything").values() for item in items]
    (rollout,) = [item for item in found if item["kind"] == "Rollout"]
    (container,) = [item for item in rollout["spec"]["template"]["spec"]["containers"] if item["name"] == "model"]
    return container


def without_address(arguments):
    return [word for word in arguments if word.partition("=")[0] not in ("--host", "--port", "--otlp-traces-endpoint")]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_gates_server_is_the_users(environment):
    users = users_server(environment)
    for workflow in WORKFLOWS:
        gate = templates(rendering_of(environment), workflow)["gate"]
        if environment == "kind":
            assert "sidecars" not in gate and users["command"] == ["ctp"], "the step starts `ctp serve model`, which serves there"
            continue
        for arm, server in zip(PORTS, gate["sidecars"], strict=True):
            assert server["name"] == arm
            assert (server["image"], server["command"]) == (users["image"], users["command"])
            assert without_address(server["args"]) == without_address(users["args"])
            theirs = {item["name"]: item.get("value") for item in users["env"] if item["name"] not in OF_USERS}
            assert {item["name"]: item["value"] for item in server["env"]} == theirs


@pytest.mark.parametrize("environment", [name for name in RENDERINGS if name != "kind"])
def test_each_server_has_a_gpu_and_its_own_model(environment):
    gate = templates(environment, "continuous-training")["gate"]
    assert "nvidia.com/gpu" not in gate["container"]["resources"]["limits"]
    volumes = {volume["name"] for volume in gate["volumes"]} | {"data", "config"}
    command = typer.main.get_command(app).get_command(None, "fetch-model")
    for arm, fetch, server in zip(PORTS, gate["initContainers"], gate["sidecars"], strict=True):
        assert server["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert fetch["command"] == ["ctp"] and fetch["args"][0] == "fetch-model"
        arguments = [re.sub(r"\{\{[^{}]+\}\}", "s3://m/1#sha256:" + "1" * 64, word) for word in fetch["args"][1:]]
        with command.make_context("fetch-model", arguments) as context:
            assert str(context.params["to"]) == "/models/current" and context.params["model"].startswith("s3://m/1#")
        assert f"{{{{inputs.parameters.{arm}}}}}" in fetch["args"][1]
        for container in (fetch, server):
            places = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            assert places["/models"] == f"{arm}-model" and set(places.values()) <= volumes
            assert container["securityContext"] == gate["container"]["securityContext"]


@pytest.mark.parametrize("environment", RENDERINGS)
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_the_step_is_told_where_they_are(environment, workflow):
    wanted = server_urls(environment_of(environment))
    assert set(wanted.values()) == ({""} if environment == "kind" else {"http://127.0.0.1:8001", "http://127.0.0.1:8002"})
    every = templates(environment, workflow)
    given = {name: item["value"] for name, item in parameters(tasks(every["main"])["gate"], "arguments").items()}
    for name, url in wanted.items():
        key = name.replace("_", "-")
        assert given[key] == url and f"--{key}={{{{inputs.parameters.{key}}}}}" in every["gate"]["container"]["args"]
        port = url.rpartition(":")[2]
        assert not port or f"--port={port}" in every["gate"]["sidecars"][list(wanted).index(name)]["args"]
