"""charts/pipeline and the RayJob: who may create one, and what its pods may reach."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
import yaml

from workflows.rayjob_wait import SUBMIT

from .conftest import ROOT, of_environment, rendered, values_of

OFFERED = ("staging", "production")


def named(environment):
    return {
        (document["kind"], document["metadata"]["name"]): document for found in of_environment(environment).values() for document in found
    }


def submit(environment):
    path = ROOT / "workflows" / "rendered" / "eks" / "workflowtemplate-continuous-training.yaml"
    every = {item["name"]: item for item in yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["templates"]}
    return every[SUBMIT]


@pytest.mark.parametrize("environment", OFFERED)
def test_one_account_may_create_rayjobs_and_it_runs_nothing_of_ours(environment):
    found = named(environment)
    binding = found["RoleBinding", "ctp-rayjob"]
    assert [subject["name"] for subject in binding["subjects"]] == ["ctp-launch"] == [submit(environment)["serviceAccountName"]]
    (rule,) = found["Role", "ctp-rayjob"]["rules"]
    assert (rule["apiGroups"], rule["resources"]) == (["ray.io"], ["rayjobs"])
    assert {submit(environment)["resource"]["action"], "get", "delete"} <= set(rule["verbs"])
    text = (ROOT / "workflows" / "rendered" / "eks" / "workflowtemplate-continuous-training.yaml").read_text(encoding="utf-8")
    for template in yaml.safe_load(text)["spec"]["templates"]:
        assert ("resource" in template) == (template.get("serviceAccountName") == "ctp-launch"), template["name"]


def test_where_there_are_no_nodes_there_are_no_rights():
    assert not {("Role", "ctp-rayjob"), ("RoleBinding", "ctp-rayjob"), ("NetworkPolicy", "ray-pods")} & named("kind").keys()
    assert ("ServiceAccount", "ctp-launch") in named("kind")


@pytest.mark.parametrize("environment", OFFERED)
def test_pods_of_a_training_reach_each_other_and_the_judge_only(environment):
    policy = named(environment)["NetworkPolicy", "ray-pods"]["spec"]
    selector = policy["podSelector"]["matchLabels"]
    # What is no text, like the number of nodes, stands there unquoted.
    job = yaml.safe_load(re.sub(r"\{\{[^{}]+\}\}", "1", submit(environment)["resource"]["manifest"]))
    cluster = job["spec"]["rayClusterSpec"]
    for template in (cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]):
        # KubeRay adds the label of a Ray node.
        assert selector.items() <= (template["metadata"]["labels"] | {"ray.io/is-ray-node": "yes"}).items()
    own, operator = policy["ingress"]
    assert own["from"] == [{"podSelector": policy["podSelector"]}] and own["ports"][0]["endPort"] == 65535
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]
    assert operator["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kuberay-system"}}}]
    opened = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in policy["egress"]
        for peer in rule["to"]
        if "namespaceSelector" in peer
        for port in rule["ports"]
    }
    judge = values_of(environment)["pipeline"]["reward_judge"]
    for key in ("base_url", "embedding_base_url"):
        parts = urlsplit(judge[key])
        assert (parts.hostname.split(".")[1], parts.port or 80) in opened, key
    assert not any("ipBlock" in peer for rule in policy["egress"] for peer in rule["to"]), "a training fetches nothing"


def test_without_policies_there_is_none():
    values = {"workflows": {"image": "example.org/ctp:1"}, "pipeline": {"train": {"nemo": {"enabled": True}}}}
    kinds = lambda given: {document["metadata"]["name"] for found in rendered(given).values() for document in found}  # noqa: E731
    assert "ray-pods" in kinds(values)
    assert "ray-pods" not in kinds(values | {"platform": {"network": {"policies": False}}})
