"""The quality exporter of every environment, and kind's own gateway: commands that exist, ports and labels that meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from steps.cli.main import app
from steps.contract.config import PipelineConfig
from steps.serve.gateway.kube_envoy import METRICS_PATH
from steps.serve.gateway.kube_routes import backends, route_document

from .rendered import ENVIRONMENTS, ROOT, Item, environment_files, merged, objects, read_values, render

PIN = {"model": {"name": "agent-model", "version": 3, "uri": "file:///data/models/3", "sha256": "3" * 64}}


def found(environment: str, kind: str, name: str) -> dict[str, Any]:
    """The one object of this kind and name that rollouts/ or kgateway/ makes."""
    (item,) = [item for item in of_ours(environment) if (item.kind, item.name) == (kind, name)]
    return item.manifest


def of_ours(environment: str) -> Iterator[Item]:
    return (item for item in objects(environment) if item.application in ("rollouts", "kgateway"))


def pod_of(manifest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """(spec, its one container, labels) of a workload's pods."""
    template = manifest["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return template["spec"], container, template["metadata"]["labels"]


def options(container: dict[str, Any]) -> dict[str, str]:
    """--name=value words of a container; repeated ones keep the last."""
    return dict(word[2:].split("=", 1) for word in container["args"] if word.startswith("--"))


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def workloads(environment: str) -> list[dict[str, Any]]:
    names = ["ctp-quality", "inference-gateway"] if environment == "kind" else ["ctp-quality"]
    return [found(environment, "Deployment", name) for name in names]


def test_every_option_is_one_that_ctp_has(environment: str) -> None:
    for deployment in workloads(environment):
        _, container, _ = pod_of(deployment)
        assert container["command"] == ["ctp"]
        shown = CliRunner().invoke(app, [*container["args"], "--help"])
        assert shown.exit_code == 0, shown.output
        for name in options(container):
            assert f"--{name} " in shown.output, f"{deployment['metadata']['name']}: ctp has no --{name}"


def test_pods_are_restricted(environment: str) -> None:
    for deployment in workloads(environment):
        pod, container, _ = pod_of(deployment)
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])
        assert pod["serviceAccountName"] == deployment["metadata"]["name"]
        assert pod["automountServiceAccountToken"] is (deployment["metadata"]["name"] == "inference-gateway"), "only it asks the API"
        assert {"name": "HOME", "value": "/tmp"} in container["env"]


def test_services_probes_and_annotations_name_open_ports(environment: str) -> None:
    for deployment in workloads(environment):
        _, container, labels = pod_of(deployment)
        name = deployment["metadata"]["name"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        listened = {int(value) for key, value in options(container).items() if key.endswith("port")}
        assert set(ports.values()) == listened
        service = found(environment, "Service", name)
        assert selects(service["spec"]["selector"], labels)
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == "/health" and container[probe]["httpGet"]["port"] in ports
        scraped = deployment["spec"]["template"]["metadata"]["annotations"]
        assert int(scraped["prometheus.io/port"]) == ports["metrics"]
        assert scraped["prometheus.io/path"] == METRICS_PATH


def test_prometheus_is_let_in_where_it_scrapes(environment: str) -> None:
    for deployment in workloads(environment):
        _, container, labels = pod_of(deployment)
        policy = found(environment, "NetworkPolicy", deployment["metadata"]["name"])
        assert selects(policy["spec"]["podSelector"]["matchLabels"], labels)
        port = next(port["containerPort"] for port in container["ports"] if port["name"] == "metrics")
        opened = [
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in policy["spec"]["ingress"]
            for peer in rule.get("from", [])
            if port in {entry["port"] for entry in rule["ports"]}
        ]
        assert opened == ["monitoring"]


def test_the_exporter_is_no_model_server(environment: str) -> None:
    """Its pods must not be taken into the Rollout's ReplicaSets and Services."""
    _, _, labels = pod_of(found(environment, "Deployment", "ctp-quality"))
    for name in ("agent-model-stable", "agent-model-canary"):
        assert not selects(found(environment, "Service", name)["spec"]["selector"], labels)


def test_the_exporter_reads_a_whole_configuration(environment: str) -> None:
    document = yaml.safe_load(found(environment, "ConfigMap", "ctp-quality")["data"]["config.yaml"])
    read = PipelineConfig.model_validate(document)
    effective = PipelineConfig.model_validate(read_values(environment_files(environment))["derived"]["pipeline"])
    assert (read.gate_judge, read.govern, read.model_name) == (effective.gate_judge, effective.govern, effective.model_name)
    assert read.gate_judge.base_url, "without a judge it does not start"


def test_spans_come_from_where_they_are_written() -> None:
    """kind: from the volume that model servers write to; elsewhere: from the collector alone."""
    _, container, _ = pod_of(found("kind", "Deployment", "ctp-quality"))
    model = found("kind", "Rollout", "agent-model")["spec"]["template"]["spec"]["containers"][0]
    values = read_values(environment_files("kind"))
    assert options(container)["spans-dir"] == options(model)["spans-dir"] == values["pipeline"]["ingest"]["sources"][0]
    assert "otlp-port" not in options(container)
    for environment in ("staging", "production"):
        pod, container, _ = pod_of(found(environment, "Deployment", "ctp-quality"))
        assert options(container)["otlp-port"] == "4318" and "spans-dir" not in options(container)
        assert not any(
            "persistentVolumeClaim" in volume for volume in pod_of(found(environment, "Deployment", "ctp-quality"))[0]["volumes"]
        )


def test_the_judge_is_reachable_from_both_ends(environment: str) -> None:
    from urllib.parse import urlsplit

    config = PipelineConfig.model_validate(read_values(environment_files(environment))["derived"]["pipeline"])
    parts = urlsplit(config.gate_judge.base_url)
    here = found(environment, "NetworkPolicy", "ctp-quality")["metadata"]["namespace"]
    space = (parts.hostname or "").partition(".")[2].partition(".")[0] or here
    opened = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], entry["port"])
        for rule in found(environment, "NetworkPolicy", "ctp-quality")["spec"]["egress"]
        for peer in rule["to"]
        if "namespaceSelector" in peer
        for entry in rule["ports"]
    }
    assert (space, parts.port or 80) in opened
    if environment == "kind":
        (judge,) = [item.manifest for item in objects("kind") if (item.kind, item.name) == ("Deployment", "ctp-judge")]
        policy = found("kind", "NetworkPolicy", "ctp-quality-judge")["spec"]
        assert selects(policy["podSelector"]["matchLabels"], judge["spec"]["template"]["metadata"]["labels"])
        assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": parts.port}]


# ---- kind's own gateway -------------------------------------------------------------------


def test_only_kind_brings_its_own_gateway() -> None:
    for environment in ENVIRONMENTS:
        ours = {item.file for item in of_ours(environment) if "local-gateway" in item.file}
        assert bool(ours) is (environment == "kind"), ours


def test_the_gateway_follows_the_rendered_routes_and_may_read_them() -> None:
    _, container, _ = pod_of(found("kind", "Deployment", "inference-gateway"))
    followed = {word.partition("=")[2] for word in container["args"] if word.startswith("--http-route=")}
    routes = [item.manifest for item in of_ours("kind") if item.kind == "HTTPRoute"]
    assert followed == {f"{route['metadata']['namespace']}/{route['metadata']['name']}" for route in routes}
    role = found("kind", "Role", "inference-gateway")
    assert {route["metadata"]["namespace"] for route in routes} == {role["metadata"]["namespace"]}
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {(resource, verb) for resource in ("httproutes", "endpointslices", "services") for verb in ("get", "list", "watch")}
    assert found("kind", "RoleBinding", "inference-gateway")["subjects"][0]["name"] == "inference-gateway"


def test_the_gateway_understands_every_rule_of_the_rendered_routes() -> None:
    """Nothing of them would be answered with the 500 for what it cannot do, and the clusters are those of the analyses."""
    routes = [item.manifest for item in of_ours("kind") if item.kind == "HTTPRoute"]
    (host,) = route_document(routes, "r", "1")["resources"][0]["virtual_hosts"]
    assert [sorted(entry) for entry in host["routes"][1:]] == [["match", "route"]] * 2
    assert host["routes"][1]["match"]["headers"] == [{"name": "x-ctp-tester", "string_match": {"exact": "canary"}}]
    rollout = found("kind", "Rollout", "agent-model")
    services = {rollout["spec"]["strategy"]["canary"][key] for key in ("stableService", "canaryService")}
    assert {backend.service for backend in backends(routes)} == services
    arguments = {
        argument.get("value")
        for item in of_ours("kind")
        if item.kind == "AnalysisTemplate"
        for argument in item.manifest["spec"].get("args", [])
    }
    assert {backend.cluster for backend in backends(routes)} <= arguments | {None}


def test_the_model_servers_let_the_gateway_in() -> None:
    _, _, labels = pod_of(found("kind", "Deployment", "inference-gateway"))
    policy = found("kind", "NetworkPolicy", "agent-model")["spec"]
    peers = [peer for rule in policy["ingress"] for peer in rule["from"] if "podSelector" in peer]
    assert any(selects(peer["podSelector"]["matchLabels"], labels) for peer in peers)


@pytest.mark.parametrize(
    "more",
    [
        {"serving": {"quality": {"prot": 1}}},
        {"serving": {"quality": {"spansDirs": ["raw"]}}},
        {"serving": {"quality": {"maxPerSecond": 0}}},
    ],
    ids=str,
)
def test_wrong_values_of_the_exporter_are_refused(more: dict[str, Any]) -> None:
    from helm_python import HelmError

    with pytest.raises(HelmError):
        render(ROOT / "rollouts", merged(merged(read_values(environment_files("kind")), PIN), more), "rollouts", "training-pipeline")


def test_wrong_values_of_the_gateway_are_refused() -> None:
    from helm_python import HelmError

    more = {"serving": {"gateway": {"local": {"metricsPrt": 1}}}}
    with pytest.raises(HelmError):
        render(ROOT / "kgateway", merged(read_values(environment_files("kind")), more), "kgateway", "training-pipeline")
