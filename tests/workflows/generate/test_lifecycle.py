"""The committed rules, applied to example keys as S3 applies them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workflows.environment import RENDERINGS
from workflows.generate.lifecycle import CANDIDATE_DAYS, CHECKPOINT_DAYS, path_of, rules, text_of

ROOT = Path(__file__).parents[3]
DIGEST = "a" * 64


def expires(document, key, age_days):
    """Whether an object of this age is gone: any enabled rule whose prefix begins the key is enough."""
    for rule in document["Rules"]:
        assert set(rule["Filter"]) == {"Prefix"} and rule["Status"] == "Enabled"
        if key.startswith(rule["Filter"]["Prefix"]) and age_days >= rule.get("Expiration", {}).get("Days", float("inf")):
            return True
    return False


@pytest.mark.parametrize("prefix", ["", "ctp", "/team/ctp/"])
def test_production_never_expires_and_the_rest_does(prefix):
    document = rules(prefix)
    home = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    for age in (0, 1, 365, 36500):
        assert not expires(document, f"{home}production/{DIGEST}/model.safetensors", age)
        assert not expires(document, f"{home}production/{DIGEST}.json", age)
        assert not expires(document, f"{home}anything-else", age)
        assert expires(document, f"{home}checkpoints/run/step-10/optimizer.pt", age) == (age >= CHECKPOINT_DAYS)
        assert expires(document, f"{home}candidates/{DIGEST}/model.safetensors", age) == (age >= CANDIDATE_DAYS)


@pytest.mark.parametrize("prefix", ["", "ctp"])
def test_no_rule_reaches_into_anothers_prefix(prefix):
    prefixes = [rule["Filter"]["Prefix"] for rule in rules(prefix)["Rules"]]
    assert all(one == other or not one.startswith(other) for one in prefixes for other in prefixes)
    assert all(found.endswith("/") and found != "/" for found in prefixes)


def test_every_rule_acts_and_has_a_name_of_its_own():
    found = rules()["Rules"]
    actions = {"Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}
    assert all(actions & rule.keys() and None not in rule.values() for rule in found)
    assert len({rule["ID"] for rule in found}) == len(found)


@pytest.mark.parametrize("environment", RENDERINGS["eks"])
def test_the_committed_rules_are_those_of_the_environments_store(environment):
    text = path_of(environment, ROOT).read_text()
    assert text == text_of(environment, ROOT), "run make render and commit"
    json.loads(text)


def test_a_real_bucket_takes_the_rules():
    import boto3
    from moto import mock_aws

    with mock_aws():
        client = boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="models")
        client.put_bucket_lifecycle_configuration(Bucket="models", LifecycleConfiguration=rules("ctp"))
        assert len(client.get_bucket_lifecycle_configuration(Bucket="models")["Rules"]) == 3
