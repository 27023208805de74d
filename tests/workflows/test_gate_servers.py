"""The gate asks both models through the server that users get."""

from __future__ import annotations

import re

import pytest
import typer
import yaml

from steps.cli import app
from workflows.gate_servers import PORTS, gate_urls

from ..manifests.rendered import merged, objects_in
from .rendered import ENVIRONMENTS, ROOT, environment_of, parameters, tasks, templates

WORKFLOWS = ("continuous-training", "train-and-release", "model-evaluation")
SERVED = [(environment, workflow) for environment in ENVIRONMENTS for workflow in WORKFLOWS]


def rollouts_server(environment):
    """Container of the model in the Rollout of an environment that has released something."""
    found = objects_in("rollouts", environment, {"model": PIN, "agent": AGENT})
    (rollout,) = [item for item in found if item["kind"] == "Rollout"]
    (container,) = [item for item in rollout["spec"]["template"]["spec"]["containers"] if item["name"] == "model"]
    return container
