"""charts/pipeline for every environment: valid, least privilege, and in step with what workflows and steps expect."""

from __future__ import annotations

import json

import pytest
import yaml
from helm_python import HelmError, lint

from steps.contract.config import load_config

from .conftest import CHART, ENVIRONMENTS, NAMESPACE, ROOT, of_environment, rendered, values_of

MODELS = {
    "ConfigMap": "V1ConfigMap",
    "Deployment": "V1Deployment",
    "Namespace": "V1Namespace",
    "NetworkPolicy": "V1NetworkPolicy",
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "Service": "V1Service",
    "ServiceAccount": "V1ServiceAccount",
}


def of_kind(documents, kind):
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def test_every_document_has_only_fields_that_exist(documents):
    """The Kubernetes client's models forbid unknown fields and check types; test_schemas.py knows the rest."""
    import kubernetes.client

    ours = ("argoproj.io/", "external-secrets.io/")
    for document in (document for document in documents if not document["apiVersion"].startswith(ours)):
        getattr(kubernetes.client, MODELS[document["kind"]]).model_validate(document)


def test_helm_lint_finds_nothing(environment):
    report = lint(str(CHART), values_of(environment), strict=True, namespace=NAMESPACE)
    assert not report["errors"]
    assert [message for message in report["messages"] if message["severity"] > 1] == []


def test_one_kind_a_file_named_by_it(environment):
    for name, found in of_environment(environment).items():
        kinds = {document["kind"].lower() for document in found}
        assert len(kinds) <= 1 and all(name.startswith(kind) for kind in kinds), f"{name} holds {kinds}"


def test_names_are_unique_and_namespaced(documents):
    seen = [(document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"]) for document in documents]
    assert len(seen) == len(set(seen))
    elsewhere = {document["metadata"]["name"] for document in documents if document["metadata"].get("namespace", NAMESPACE) != NAMESPACE}
    assert elsewhere <= {"ctp-rollout-reader"}


def test_the_config_map_is_what_ctp_reads(environment, documents, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(of_kind(documents, "ConfigMap")["ctp-config"]["data"]["config.yaml"], encoding="utf-8")
    assert load_config(path) == load_config(ROOT / "charts" / "environments" / environment / "values.yaml")


# ---- in step with workflows/ ---------------------------------------------------------------


def test_every_duty_of_the_workflows_has_its_account(documents):
    from steps.contract.catalog import ALL_STEPS
    from workflows.rayjob_wait import ACCOUNT

    accounts = set(of_kind(documents, "ServiceAccount")) - {"ctp-judge", "ctp-notifier"}
    assert accounts == {f"ctp-{name}" for name in {ACCOUNT} | {spec.account for spec in ALL_STEPS if spec.account}}


def test_rendered_workflows_find_accounts_claim_and_config(environment, documents):
    used = {"serviceAccountName": set(), "claimName": set()}

    def walk(value):
        if isinstance(value, dict):
            for key, found in value.items():
                if key in used and isinstance(found, str):
                    used[key].add(found)
                walk(found)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    files = sorted((ROOT / "workflows" / "rendered" / ("kind" if environment == "kind" else "eks")).glob("*.yaml"))
    assert files
    for path in files:
        walk(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))))
    assert used["serviceAccountName"] <= set(of_kind(documents, "ServiceAccount"))
    assert used["claimName"] == set(of_kind(documents, "PersistentVolumeClaim"))


def test_defaults_that_the_chart_shares_with_the_workflows_agree():
    from workflows.environment import Workflows

    chart = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert chart["workflows"]["claim"] == Workflows.model_fields["claim"].default


# ---- permissions --------------------------------------------------------------------------


def test_no_permission_beyond_what_is_used(documents):
    allowed = {
        "ctp-executor": {("workflowtaskresults", verb) for verb in ("create", "patch")},
        "ctp-artifact-gc": {
            ("workflowartifactgctasks", "list"),
            ("workflowartifactgctasks", "watch"),
            ("workflowartifactgctasks/status", "patch"),
        },
        "ctp-metering": {("workflows", "get")},
        "ctp-rayjob": {("rayjobs", verb) for verb in ("get", "create", "patch", "delete")},
        "ctp-rollout-reader": {("rollouts", "get"), ("analysisruns", "list")},
        "ctp-notifier": {("workfloweventbindings", "list"), ("workflowtemplates", "get"), ("workflows", "create")},
    }
    for name, role in of_kind(documents, "Role").items():
        found = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
        assert not any("*" in part for pair in found for part in pair), name
        assert "secrets" not in {resource for resource, _ in found}
        if name in allowed:
            assert found == allowed[name], name
    assert not [document for document in documents if document["kind"].startswith("Cluster")]


def test_only_people_may_answer_or_submit(documents):
    for name, binding in of_kind(documents, "RoleBinding").items():
        kinds = {subject["kind"] for subject in binding["subjects"]}
        assert kinds == ({"Group"} if name in {"ctp-approver", "ctp-submitter"} else {"ServiceAccount"})
        assert binding["roleRef"]["name"] in of_kind(documents, "Role")
        assert {subject["name"] for subject in binding["subjects"] if subject["kind"] == "ServiceAccount"} <= set(
            of_kind(documents, "ServiceAccount")
        )


def test_every_account_may_report_its_result(documents):
    subjects = {subject["name"] for subject in of_kind(documents, "RoleBinding")["ctp-executor"]["subjects"]}
    assert subjects == set(of_kind(documents, "ServiceAccount")) - {"ctp-judge", "ctp-notifier"}


# ---- network ------------------------------------------------------------------------------


def test_nothing_flows_unless_it_is_named(documents):
    policies = of_kind(documents, "NetworkPolicy")
    deny = policies["default-deny"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    everyone = [name for name, policy in policies.items() if policy["spec"]["podSelector"] == {}]
    assert sorted(everyone) == ["allow-dns", "default-deny"]
    called = {name for name, policy in policies.items() if "ingress" in policy["spec"]}
    assert called <= {"judge", "ray-pods"}, "nobody calls a workflow's pod"
    for name, policy in policies.items():
        assert all(rule.get("ports") for side in ("ingress", "egress") for rule in policy["spec"].get(side, [])), f"{name} opens every port"


def test_configured_services_are_reachable(environment, documents):
    """Judges, embedder and registry of the configuration: their namespace and port stand in the policy."""
    from urllib.parse import urlsplit

    config = load_config(ROOT / "charts" / "environments" / environment / "values.yaml")
    urls = [config.reward_judge.base_url, config.reward_judge.embedding_base_url, config.gate_judge.base_url, config.registry.tracking_uri]
    rules = of_kind(documents, "NetworkPolicy")["workflow-pods"]["spec"]["egress"]
    opened = set()
    for rule in rules:
        for peer in rule.get("to", [{}]):
            space = (
                peer.get("namespaceSelector", {})
                .get("matchLabels", {})
                .get("kubernetes.io/metadata.name", NAMESPACE if "podSelector" in peer else "")
            )
            opened |= {(space, port["port"]) for port in rule["ports"]}
    for url in filter(None, urls):
        parts = urlsplit(url)
        _, _, namespace = (parts.hostname or "").partition(".")
        assert (namespace.partition(".")[0] or NAMESPACE, parts.port) in opened, f"{url} is behind a closed door"


# ---- the judge ----------------------------------------------------------------------------


def test_only_kind_brings_its_own_judge_and_it_is_restricted():
    for environment in ENVIRONMENTS:
        found = [document for found in of_environment(environment).values() for document in found]
        assert set(of_kind(found, "Deployment")) == ({"ctp-judge"} if environment == "kind" else set())
    found = [document for found in of_environment("kind").values() for document in found]
    pod = of_kind(found, "Deployment")["ctp-judge"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    values = values_of("kind")
    assert container["image"] == values["workflows"]["image"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= set(container["resources"])
    port = of_kind(found, "Service")["ctp-judge"]["spec"]["ports"][0]["port"]
    assert values["pipeline"]["reward_judge"]["base_url"] == f"http://ctp-judge:{port}/v1"


def test_the_judges_command_is_one_that_ctp_has():
    from typer.testing import CliRunner

    from steps.cli.main import app

    found = [document for found in of_environment("kind").values() for document in found]
    container = of_kind(found, "Deployment")["ctp-judge"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["ctp"]
    shown = CliRunner().invoke(app, [*container["args"], "--help"])
    assert shown.exit_code == 0, shown.output


# ---- values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"platform": {"volume": {"sise": "20Gi"}}},
        {"platform": {"volume": {"size": "20"}}},
        {"platform": {"volume": {"accessMode": "ReadOnly"}}},
        {"platform": {"serviceAccounts": {"nobody": {}}}},
        {"platform": {"namespace": {"podSecurity": "none"}}},
        {"platform": {"network": {"services": [{"namespace": "x"}]}}},
        {"platform": {"judge": {"create": True, "port": 0}}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken):
    with pytest.raises(HelmError):
        rendered({"workflows": {"image": "example.org/ctp:1"}, **broken})


def test_a_judge_without_an_image_is_refused():
    with pytest.raises(HelmError, match="workflows.image"):
        rendered({"platform": {"judge": {"create": True}}})


# ---- the runbook --------------------------------------------------------------------------


def test_the_runbooks_commands_name_what_exists():
    import re

    text = (ROOT / "docs" / "runbooks" / "adhoc-retrain.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"argo submit .*--from workflowtemplate/(\S+)(.*)", text)
    assert commands
    for template, options in commands:
        path = ROOT / "workflows" / "rendered" / "eks" / f"workflowtemplate-{template}.yaml"
        parameters = {item["name"] for item in yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["arguments"]["parameters"]}
        assert set(re.findall(r"-p ([\w-]+)=", options)) <= parameters, f"{template} takes {sorted(parameters)}"
