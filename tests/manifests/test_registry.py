"""charts/registry: an MLflow server that answers the configured address, keeps its secret, and lets only steps in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from helm_python import HelmError

from steps.contract.config import load_config

from .one_chart import OneChart, refusals
from .rendered import ROOT
from .versions import pins

CHART = ROOT / "charts" / "registry"
CLOUD = ("staging", "production")
NAMESPACE = "monitoring"
OURS = OneChart(CHART, "registry", NAMESPACE)
objects = OURS.objects


def pod(found, kind, name):
    return found[kind, name]["spec"]["template"]["spec"]


@pytest.fixture(params=CLOUD)
def environment(request):
    return request.param


@pytest.fixture
def found(environment):
    return objects(environment)


def test_every_object_is_one_that_the_api_server_takes(found):
    assert refusals(found) == []


def test_helm_lint_finds_nothing(environment):
    assert OURS.complaints(environment) == []


def test_kind_has_a_file_instead():
    assert objects("kind") == {}


def test_the_configured_address_is_this_service_and_its_host_is_admitted(environment, found):
    parts = urlsplit(load_config(ROOT / "charts" / "environments" / environment / "values.yaml").registry.tracking_uri)
    service = found["Service", "mlflow"]
    assert parts.hostname == f"{service['metadata']['name']}.{service['metadata']['namespace']}"
    assert parts.port == service["spec"]["ports"][0]["port"]
    arguments = pod(found, "Deployment", "mlflow")["containers"][0]["args"]
    allowed = next(argument for argument in arguments if argument.startswith("--allowed-hosts=")).partition("=")[2].split(",")
    assert parts.netloc in allowed, "MLflow compares the Host header whole"
    assert not any("*" in host for host in allowed)


def test_every_option_is_one_that_this_mlflow_has():
    arguments = pod(objects("production"), "Deployment", "mlflow")["containers"][0]["args"]
    shown = subprocess.run(
        [str(Path(sys.executable).with_name("mlflow")), "server", "--help"], capture_output=True, text=True, check=True
    ).stdout
    options = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    assert options and [option for option in options if not re.search(rf"{option}\b", shown)] == []


def test_client_and_server_are_of_one_version(found):
    constraints = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line)
    for kind, name in (("Deployment", "mlflow"), ("Job", "mlflow-migrate")):
        image = pod(found, kind, name)["containers"][0]["image"]
        assert image == f"ghcr.io/mlflow/mlflow:v{constraints['mlflow']}-full" == f"ghcr.io/mlflow/mlflow:{pins()['MLFLOW_VERSION']}-full"


def test_the_database_is_named_by_a_secret_that_is_made_here(found):
    secret = found["ExternalSecret", "mlflow-database"]["spec"]
    keys = {item["secretKey"] for item in secret["data"]}
    for kind, name in (("Deployment", "mlflow"), ("Job", "mlflow-migrate")):
        environment = {item["name"]: item for item in pod(found, kind, name)["containers"][0]["env"]}
        reference = environment["MLFLOW_BACKEND_STORE_URI"]["valueFrom"]["secretKeyRef"]
        assert reference["name"] == secret["target"]["name"] and reference["key"] in keys
    assert "postgresql" not in json.dumps([manifest for key, manifest in found.items() if key[0] != "ExternalSecret"])


def test_secret_then_tables_then_server(found):
    waves = [
        int(found[key]["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
        for key in (("ExternalSecret", "mlflow-database"), ("Job", "mlflow-migrate"), ("Deployment", "mlflow"))
    ]
    assert waves == sorted(set(waves))


def test_pods_are_restricted(found):
    for kind, name in (("Deployment", "mlflow"), ("Job", "mlflow-migrate")):
        spec = pod(found, kind, name)
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False and spec["serviceAccountName"] == "mlflow"
        container = spec["containers"][0]
        assert container["securityContext"]["readOnlyRootFilesystem"] and container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])


def test_only_steps_reach_it(found):
    policy = found["NetworkPolicy", "mlflow"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert len(policy["ingress"]) == 1 and len(policy["ingress"][0]["from"]) == 1
    peer = policy["ingress"][0]["from"][0]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "training-pipeline"}
    assert peer["podSelector"]["matchExpressions"] == [{"key": "workflows.argoproj.io/workflow", "operator": "Exists"}]


@pytest.mark.parametrize(
    "broken",
    [
        {"artifacts": ""},
        {"artifacts": "/data"},
        {"image": "ghcr.io/mlflow/mlflow:latest"},
        {"allowedHosts": ["*"]},
        {"database": {"remoteKey": ""}},
        {"databse": {}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken):
    with pytest.raises(HelmError):
        objects("production", {"registry": broken})
