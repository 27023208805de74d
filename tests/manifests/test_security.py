"""Secrets only by External Secrets, signed images by value, and what the documents promise."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from helm_python import HelmError

from steps.contract.config import load_config
from workflows.generate.iam.account import load_account
from workflows.generate.iam.roles import entries, identities

from .inventory import all_pods
from .rendered import ENVIRONMENTS, PIN, ROOT, merged, objects, of_kind, own_applications, read_values, root_app
from .rendered import objects_of as rendered_objects

CLOUD = ("staging", "production")
MOUNT = "/etc/ctp-secrets/"
# Secrets that neither Git nor an ExternalSecret makes: name -> who does.
MADE_ELSEWHERE = {
    "argo-rollouts-notification-secret": "holds a token of the cluster's own, docs/runbooks/rollback.md",
    "ctp-notifier-token": "the same",
}


def external(environment):
    return {
        (item.namespace, item.manifest["spec"]["target"]["name"]): item.manifest["spec"] for item in of_kind(environment, "ExternalSecret")
    }


# ---- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", CLOUD)
def test_every_secret_file_of_the_configuration_is_given_to_the_duty_that_reads_it(environment):
    config = load_config(ROOT / "charts" / "environments" / environment / "values.yaml")
    readers = {
        config.govern.user_key_file: ("ingest",),
        config.notify.webhook_url_file: ("workflow",),
        config.release.token_file: ("release",),
        config.release.ssh_key_file: ("release",),
        config.release.known_hosts_file: ("release",),
        config.reward_judge.api_key_file: ("label", "train", "gate"),
        config.gate_judge.api_key_file: ("label", "gate"),
    }
    readers.pop("", None)
    assert readers and config.govern.user_key_file and config.release.token_file, "the repository cannot be written without a credential"
    given = external(environment)
    for path, duties in readers.items():
        assert path.startswith(MOUNT)
        for duty in duties:
            keys = {entry["secretKey"] for entry in given["training-pipeline", f"ctp-{duty}"]["data"]}
            assert path.removeprefix(MOUNT) in keys, f"{environment}: {duty} has no {path}"
    files = {
        (space, name): {entry["secretKey"] for entry in spec["data"]}
        for (space, name), spec in given.items()
        if space == "training-pipeline"
    }
    wanted = {path.removeprefix(MOUNT) for path in readers}
    assert set().union(*files.values()) == wanted, "an entry that nothing reads"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_secret_that_is_named_comes_from_the_store(environment):
    given = {name for _, name in external(environment)}
    named = set()
    for item in objects(environment):
        for _, spec, _ in all_pods(item):
            for volume in spec.get("volumes", []):
                secret = volume.get("secret", {})
                named |= {secret["secretName"]} if secret and not secret.get("optional") else set()
            for container in spec.get("containers", []):
                for variable in container.get("env", []) or []:
                    reference = variable.get("valueFrom", {}).get("secretKeyRef")
                    named |= {reference["name"]} if reference else set()
    assert named <= given | set(MADE_ELSEWHERE)


@pytest.mark.parametrize("name", ["langfuse", "kube-prometheus-stack"])
def test_secrets_of_third_party_charts_come_from_the_store(name):
    text = (ROOT / "charts" / "root-app" / "third-party" / f"{name}.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    if name == "langfuse":
        wanted = set(re.findall(r"(?:key|KeyS?|[a-z]Key): ([a-z]+(?:-[a-z]+)*)", text)) - {"langfuse"}
        target = ("langfuse", "langfuse")
    else:
        admin = values["grafana"]["admin"]
        wanted, target = {admin["userKey"], admin["passwordKey"]}, ("monitoring", admin["existingSecret"])
    for environment in CLOUD:
        assert {entry["secretKey"] for entry in external(environment)[target]["data"]} >= wanted


def test_grafana_s_secret_is_there_before_grafana():
    """The controller's wave would wait for Grafana, and Grafana for its Secret."""
    waves = {
        (item.kind, item.name): int(item.manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
        for item in root_app("production")
    }
    order = [
        ("Application", "external-secrets"),
        ("ClusterSecretStore", "ctp"),
        ("ExternalSecret", "grafana-admin"),
        ("Application", "kube-prometheus-stack"),
    ]
    assert [waves[entry] for entry in order] == sorted({waves[entry] for entry in order})


@pytest.mark.parametrize("environment", CLOUD)
def test_the_role_of_external_secrets_reads_exactly_what_is_named(environment):
    named = {entry["remoteRef"]["key"] for spec in external(environment).values() for entry in spec["data"]}
    assert named == set(entries(load_account(environment, ROOT)))


def test_kind_needs_no_store():
    assert not of_kind("kind", "ExternalSecret", "ClusterSecretStore", "SecretStore")


# ---- identities -------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", CLOUD)
def test_every_identity_on_aws_is_an_account_that_is_there(environment):
    ours = {(item.namespace, item.name) for item in of_kind(environment, "ServiceAccount")}
    third_party = {"langfuse", "secrets", "metrics"}
    for item in identities(load_account(environment, ROOT)):
        assert (item.namespace, item.service_account) in ours or item.role in third_party, (
            f"{item.role}: no ServiceAccount {item.namespace}/{item.service_account}"
        )


@pytest.mark.parametrize("environment", CLOUD)
def test_argo_keeps_logs_where_the_roles_may_write(environment):
    (item,) = [item for item in of_kind(environment, "ConfigMap") if item.name == "artifact-repositories"]
    key = item.manifest["metadata"]["annotations"]["workflows.argoproj.io/default-artifact-repository"]
    s3 = yaml.safe_load(item.manifest["data"][key])["s3"]
    policy = json.loads((ROOT / "charts" / "environments" / environment / "iam" / "policies" / "label.json").read_text(encoding="utf-8"))
    (statement,) = [statement for statement in policy["Statement"] if statement["Sid"] == "Artifacts"]
    assert statement["Resource"] == [f"arn:aws:s3:::{s3['bucket']}/{s3['keyFormat'].partition('/')[0]}/*"]
    assert s3["useSDKCreds"] is True and "accessKeySecret" not in s3


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_template_that_keeps_artifacts_has_a_repository(environment):
    kept = [item.name for item in of_kind(environment, "WorkflowTemplate") if "'artifacts'" in str(item.manifest["spec"].get("templates"))]
    there = [item for item in of_kind(environment, "ConfigMap") if item.name == "artifact-repositories"]
    assert bool(kept) == bool(there)


# ---- images -----------------------------------------------------------------------------------

SIGNED = {"platform": {"imagePolicy": {"enabled": True, "publicKey": "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----\n"}}}


def pipeline(more):
    (application,) = [found for found in own_applications("production") if found["metadata"]["name"] == "pipeline"]
    return list(rendered_objects(application, more=merged(PIN, more)))


def test_signatures_are_asked_for_by_value():
    assert not of_kind("production", "ClusterImagePolicy")
    found = pipeline(SIGNED)
    (policy,) = [item.manifest["spec"] for item in found if item.kind == "ClusterImagePolicy"]
    assert policy["mode"] == "enforce" and policy["authorities"][0]["key"]["data"].startswith("-----BEGIN PUBLIC KEY-----")
    images = read_values([ROOT / "charts/environments/production/values.yaml"])["workflows"]
    ours = {re.sub(r"(:[^/@]+)?(@.+)?$", "", image) for image in (images["image"], images["train_image"], images["nemo"]["image"])}
    assert {entry["glob"] for entry in policy["images"]} == {f"{image}**" for image in ours}
    (space,) = [item.manifest for item in found if item.kind == "Namespace"]
    assert space["metadata"]["labels"]["policy.sigstore.dev/include"] == "true"
    project = {item.name: item.manifest["spec"] for item in root_app("production", more=SIGNED) if item.kind == "AppProject"}["ctp"]
    assert {"group": "policy.sigstore.dev", "kind": "ClusterImagePolicy"} in project["clusterResourceWhitelist"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"enabled": True}, "needs publicKey, or issuer and subject"),
        ({"enabled": True, "issuer": "https://i.example.org"}, "whose signatures"),
    ],
    ids=["nobody", "anybody"],
)
def test_a_policy_without_a_signer_is_refused(given, said):
    with pytest.raises(HelmError, match=said):
        pipeline({"platform": {"imagePolicy": given}})
