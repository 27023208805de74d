"""What counts as out of sync, checked without a cluster and on what is really rendered."""

from __future__ import annotations

import copy

import pytest

from .argo_cd import difference, keeps_client_side, out_of_sync, without
from .serving import ignore_rules, serving_documents, serving_values

RELEASED = {
    "model": {"name": "agent-model", "version": 3, "uri": "file:///data/m/3", "sha256": "3" * 64},
    "agent": {"version": 3, "model_name": "agent-model", "model_version": 3, "prompt_version": "v1", "tools": []},
}


@pytest.fixture(scope="module")
def rendered():
    return serving_documents(serving_values(RELEASED), "example.org/ctp:test")


@pytest.fixture(scope="module")
def rules():
    return ignore_rules()


def one(rendered, kind, name):
    (found,) = [document for document in rendered if (document["kind"], document["metadata"]["name"]) == (kind, name)]
    return found


def test_a_canary_under_way_leaves_nothing_to_apply(rendered, rules):
    """The plugin's weights and label, the controller's hashes, the API server's defaults: none is Git's business."""
    for document in rendered:
        live = copy.deepcopy(document)
        live["metadata"] |= {"uid": "1", "resourceVersion": "7"}
        live["status"] = {"phase": "Paused"}
        if document["kind"] == "HTTPRoute" and document["metadata"]["name"] == "agent-model":
            live["metadata"]["labels"]["rollouts.argoproj.io/gatewayapi-canary"] = "in-progress"
            for reference, weight in zip(live["spec"]["rules"][0]["backendRefs"], (75, 25), strict=True):
                reference["weight"] = weight
        if document["kind"] == "Service" and "selector" in document["spec"]:
            live["spec"]["selector"]["rollouts-pod-template-hash"] = "5d4f"
            live["spec"]["clusterIP"] = "10.0.0.1"
        assert out_of_sync(document, live, rules) == "", document["metadata"]["name"]


def test_a_new_pin_changes_the_rollout_and_the_manifest_alone(rendered, rules):
    newer = copy.deepcopy(RELEASED)
    newer["model"] |= {"version": 4}
    newer["agent"] |= {"version": 4, "model_version": 4}
    after = serving_documents(serving_values(newer), "example.org/ctp:test")
    changed = {
        (document["kind"], document["metadata"]["name"])
        for document in after
        if out_of_sync(document, one(rendered, document["kind"], document["metadata"]["name"]), rules)
    }
    assert changed == {("Rollout", "agent-model"), ("ConfigMap", "agent-model-manifest")}


def test_a_rule_that_git_changes_is_seen(rendered, rules):
    route = one(rendered, "HTTPRoute", "agent-model")
    live = copy.deepcopy(route)
    live["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/v2"
    assert out_of_sync(route, live, rules) == ".spec.rules[0].matches[0].path.value"
    assert out_of_sync(route, None, rules) == "missing"


def test_services_of_the_rollout_are_not_applied_server_side(rendered):
    """Their selector is one atomic map: a server-side apply would drop the controller's hash."""
    for name in ("agent-model-stable", "agent-model-canary"):
        assert keeps_client_side(one(rendered, "Service", name))
    assert not keeps_client_side(one(rendered, "HTTPRoute", "agent-model"))


def test_rules_added_by_the_plugin_are_ignored():
    route = {"apiVersion": "g/v1", "kind": "R", "spec": {"rules": [{"name": "a"}, {"name": "ctp-canary-1"}, {}]}}
    rule = {"group": "g", "kind": "R", "jqPathExpressions": ['.spec.rules[] | select((.name // "") | startswith("ctp-canary"))']}
    assert without(route, [rule])["spec"]["rules"] == [{"name": "a"}, {}]
    assert without(route, [rule | {"kind": "X"}]) == route


def test_an_expression_that_is_not_understood_stops_the_test():
    with pytest.raises(ValueError, match="teach"):
        without({"apiVersion": "v1", "kind": "R", "spec": {}}, [{"kind": "R", "jqPathExpressions": [".a | keys"]}])


@pytest.mark.parametrize(
    ("wanted", "live", "where"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ""),
        ({"a": {}, "b": None, "c": [], "d": ""}, {}, ""),
        ({"a": [{"x": 1}]}, {"a": [{"x": 1, "y": 2}]}, ""),
        ({"a": [1]}, {"a": [1, 2]}, ".a"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ".a.b"),
        ({"a": 0}, {"a": 1}, ".a"),
    ],
)
def test_only_what_git_says_is_compared(wanted, live, where):
    assert difference(wanted, live) == where
