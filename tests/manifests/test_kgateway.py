"""kgateway/ in every environment: routes whose weights another owns, and policies that lose and repeat no answer."""

from __future__ import annotations

import json

import pytest
import yaml
from helm_python import HelmError

from .rendered import ENVIRONMENTS, ROOT, environment_files, merged, read_values, render

CHART = ROOT / "kgateway"


def values_of(environment, **serving):
    return merged(read_values(environment_files(environment)), {"serving": serving} if serving else {})


def objects_of(values):
    found = [manifest for manifests in render(CHART, values, "kgateway", "anything").values() for manifest in manifests]
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request):
    return request.param


@pytest.fixture(scope="module")
def made(environment):
    return objects_of(values_of(environment))


def test_both_backends_stand_in_every_rule_with_every_field(made):
    route = made["HTTPRoute", "agent-model"]["spec"]
    for rule in route["rules"]:
        assert rule["backendRefs"] == [
            {"group": "", "kind": "Service", "name": "agent-model-stable", "port": 8000, "weight": 100},
            {"group": "", "kind": "Service", "name": "agent-model-canary", "port": 8000, "weight": 0},
        ]
        assert rule["matches"] and rule["timeouts"]["request"] == rule["timeouts"]["backendRequest"] == "600s"


def test_testers_have_a_route_of_their_own(made):
    (rule,) = made["HTTPRoute", "agent-model-testers"]["spec"]["rules"]
    assert [backend["name"] for backend in rule["backendRefs"]] == ["agent-model-canary"]
    assert rule["matches"][0]["headers"] == [{"type": "Exact", "name": "x-ctp-tester", "value": "canary"}]
    assert ("HTTPRoute", "agent-model-testers") not in objects_of(values_of("production", gateway={"testers": {"value": ""}}))


def test_routes_and_services_share_a_namespace_so_that_nothing_must_be_granted(environment, made):
    spaces = {manifest["metadata"]["namespace"] for (kind, _), manifest in made.items() if kind == "HTTPRoute"}
    rollouts = yaml.safe_load((ROOT / "rollouts" / "values.yaml").read_text(encoding="utf-8"))
    assert spaces == {merged(rollouts, values_of(environment))["serving"]["namespace"]}


def test_only_failures_that_generated_nothing_are_repeated():
    policy = objects_of(values_of("production"))["TrafficPolicy", "agent-model"]["spec"]
    assert set(policy["retry"]["retryOn"]) == {"connect-failure", "refused-stream", "reset-before-request"}
    assert {target["name"] for target in policy["targetRefs"]} == {"agent-model", "agent-model-testers"}
    assert "statusCodes" not in policy["retry"] and "rateLimit" not in policy and "extAuth" not in policy


def test_limits_and_authentication_are_by_value():
    gateway = {"rateLimit": {"perSecond": 50, "burst": 20}, "auth": {"name": "oidc", "namespace": "security"}, "retryAttempts": 0}
    policy = objects_of(values_of("production", gateway=gateway))["TrafficPolicy", "agent-model"]["spec"]
    assert policy["rateLimit"]["local"]["tokenBucket"] == {"maxTokens": 50, "tokensPerFill": 50, "fillInterval": "1s"}
    assert policy["extAuth"] == {"extensionRef": {"name": "oidc", "namespace": "security"}}
    assert "retry" not in policy


def test_without_the_controller_none_of_its_kinds_is_made(environment, made):
    theirs = {manifest["kind"] for manifest in made.values() if manifest["apiVersion"].startswith("gateway.kgateway.dev/")}
    wanted = set() if environment == "kind" else {"TrafficPolicy", "BackendConfigPolicy", "GatewayParameters"}
    assert theirs == wanted
    assert ("parametersRef" in json.dumps(made["Gateway", "inference-gateway"])) == (environment != "kind")


def test_the_certificate_closes_the_plain_port():
    made = objects_of(values_of("production", gateway={"tls": {"secretName": "cert"}, "hostnames": ["models.example.org"]}))
    (listener,) = made["Gateway", "inference-gateway"]["spec"]["listeners"]
    assert (listener["protocol"], listener["port"]) == ("HTTPS", 8443)
    for name in ("agent-model", "agent-model-testers"):
        spec = made["HTTPRoute", name]["spec"]
        assert spec["parentRefs"][0]["sectionName"] == listener["name"] and spec["hostnames"] == ["models.example.org"]


def test_changed_names_are_seen_everywhere():
    made = objects_of(
        values_of("production", name="other", namespace="elsewhere", port=9000, gateway={"name": "front", "namespace": "edge"})
    )
    text = json.dumps([*made.values()])
    for gone in ("agent-model", "model-serving", "8000", "inference-gateway", "kgateway-system"):
        assert gone not in text
    listener = made["Gateway", "front"]["spec"]["listeners"][0]
    assert listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"] == {"kubernetes.io/metadata.name": "elsewhere"}


def test_defaults_that_both_charts_read_agree():
    ours, rollouts = (
        yaml.safe_load((ROOT / chart / "values.yaml").read_text(encoding="utf-8"))["serving"] for chart in ("kgateway", "rollouts")
    )
    for key in ("name", "namespace", "port"):
        assert ours[key] == rollouts[key]
    assert {key: ours["gateway"][key] for key in ("name", "namespace")} == {key: rollouts["gateway"][key] for key in ("name", "namespace")}
    assert ours["monitoring"].items() <= rollouts["monitoring"].items()


@pytest.mark.parametrize(
    "broken",
    [
        {"gateway": {"implementation": "istio"}},
        {"gateway": {"timeout": {}}},
        {"gateway": {"timeouts": {"request": "10 minutes"}}},
        {"gateway": {"testers": {"header": "x tester"}}},
        {"port": 0},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken):
    with pytest.raises(HelmError):
        objects_of(values_of("production", **broken))
