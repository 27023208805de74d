"""What a release applies and which commands it runs, checked without a cluster."""

from __future__ import annotations

from typer.testing import CliRunner

from steps.cli.main import app
from steps.cli.step import split_params
from steps.registry.register import Params as Register
from steps.release.release import Params as Release
from steps.serve.model.fault import parse_fault

from .delivery import VISITORS
from .rendered import images, kind_environment
from .serving import (
    artifact_of,
    gateway_default,
    policy_for_users,
    register_arguments,
    release_arguments,
    serving_documents,
    serving_values,
)
from .test_argo_cd import RELEASED
from .test_progressive_delivery import BAD

IMAGE = "example.org/ctp:test"


def documents(fault="", prometheus=""):
    return serving_documents(serving_values(RELEASED, prometheus), IMAGE, fault)


def rollout(found):
    (one,) = [document for document in found if document["kind"] == "Rollout"]
    return one


def test_only_the_given_image_runs():
    assert images(documents()) == {IMAGE}


def test_the_rollout_is_applied_last():
    assert documents()[-1]["kind"] == "Rollout"
    kinds = [document["kind"] for document in documents()]
    assert kinds.index("HTTPRoute") < kinds.index("Rollout")


def test_the_pin_and_the_fault_stand_in_the_pods():
    template = rollout(documents(fault="errors=0.5"))["spec"]["template"]
    assert template["metadata"]["labels"]["ctp.model-version"] == "3"
    environment = {entry["name"]: entry.get("value") for entry in template["spec"]["containers"][0]["env"]}
    assert environment["CTP_FAULT"] == "errors=0.5"
    assert "CTP_FAULT" not in str(rollout(documents()))


def test_without_its_fault_a_version_is_what_it_was():
    """Taking the pin back gives the very template that is stable, so nothing is rolled out again."""
    assert rollout(documents())["spec"]["template"] == rollout(documents(fault=""))["spec"]["template"]


def test_analyses_ask_the_prometheus_that_is_named():
    found = [document for document in documents(prometheus="http://p.m:9") if document["kind"] == "AnalysisTemplate"]
    assert found
    addresses = {metric["provider"]["prometheus"]["address"] for document in found for metric in document["spec"]["metrics"]}
    assert addresses == {"http://p.m:9"}


def test_the_prometheus_that_is_named_may_scrape():
    """A policy without `from` lets everybody in, which is not meant for metrics."""
    found = documents(prometheus="http://prometheus-server.observe.svc.cluster.local:80")
    rules = [
        rule
        for document in found
        if document["kind"] == "NetworkPolicy"
        for rule in document["spec"].get("ingress") or []
        if "from" in rule
    ]
    scraped = {
        entry["port"]
        for rule in rules
        for peer in rule["from"]
        if peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name") == "observe"
        for entry in rule["ports"]
    }
    pods = [document["spec"]["template"] for document in found if document["kind"] in ("Deployment", "Rollout")]
    assert scraped == {int(pod["metadata"]["annotations"]["prometheus.io/port"]) for pod in pods} == {8000, 9091, 9400}


def test_the_bad_versions_fail_in_ways_that_the_server_knows():
    for text in BAD.values():
        assert parse_fault(text).spec == text


def test_the_commands_are_what_the_steps_take():
    artifact = artifact_of(RELEASED)
    registered = Register.model_validate(split_params(register_arguments(artifact, "x")[2:]))
    assert registered.bootstrap and registered.policy_version == "e2e-x" and str(registered.model) == artifact
    released = Release.model_validate(split_params(release_arguments("agent-model@4", artifact)[2:]))
    assert released.model.version == 4
    shown = CliRunner().invoke(app, ["traffic", "--help"]).output
    assert all(f"--{option} " in shown for option in ("gateway", "seconds", "users", "pause-s"))


def test_the_tests_own_pods_may_ask_the_gateway():
    from .cluster import pod_manifest

    policy = policy_for_users(serving_values({}))["spec"]
    pod = pod_manifest(VISITORS, [], IMAGE, "ctp-data")
    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert policy["egress"][0]["ports"][0]["port"] == gateway_default("port")


def test_reconcile_looks_where_the_rollout_is():
    """One namespace in kind, in which the release step may read the Rollout."""
    from steps.contract.config import PipelineConfig

    values = serving_values(RELEASED)
    namespace = values["serving"]["namespace"]
    (role,) = [
        document
        for document in kind_environment(IMAGE)
        if document["metadata"]["name"] == "ctp-rollout-reader" and document["kind"] == "Role"
    ]
    assert role["metadata"]["namespace"] == namespace
    assert PipelineConfig.model_validate(values["derived"]["pipeline"]).release.rollout_namespace == namespace
