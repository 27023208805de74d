"""What the cluster test applies, checked without a cluster."""

from __future__ import annotations

import pytest

from .cluster import last_json, pod_manifest
from .rendered import images, kind_environment, with_image

IMAGE = "example.org/ctp:test"


def test_only_the_given_image_runs():
    documents = kind_environment(IMAGE)
    assert images(documents) == {IMAGE}
    assert {document["kind"] for document in documents} >= {
        "Namespace",
        "ServiceAccount",
        "ConfigMap",
        "PersistentVolumeClaim",
        "Deployment",
        "WorkflowTemplate",
    }


def test_what_others_stand_on_is_applied_first():
    kinds = [document["kind"] for document in kind_environment(IMAGE)]
    assert kinds[0] == "Namespace"
    assert kinds.index("ConfigMap") < kinds.index("WorkflowTemplate")
    assert kinds.index("ServiceAccount") < kinds.index("Deployment")


def test_schedules_are_applied_but_start_nothing():
    crons = [document for document in kind_environment(IMAGE) if document["kind"] == "CronWorkflow"]
    assert crons and all(document["spec"]["suspend"] is True for document in crons)


def test_other_images_are_left_alone():
    documents = [{"spec": {"containers": [{"image": "ours:1"}, {"image": "theirs:1"}]}}]
    containers = with_image(documents, {"ours:1"}, IMAGE)[0]["spec"]["containers"]
    assert containers == [{"image": IMAGE, "imagePullPolicy": "IfNotPresent"}, {"image": "theirs:1"}]


def test_the_json_of_a_command_is_found_among_notices():
    assert last_json('Writing shards: 100%\n{\n  "a": {\n    "b": 1\n  }\n}\nbye') == {"a": {"b": 1}}
    with pytest.raises(ValueError, match="no JSON"):
        last_json("Bad data: nothing here")


def test_the_test_pod_is_a_real_pod():
    """The client's own model takes the manifest: every field exists with that name."""
    from kubernetes.client import ApiClient, V1Pod

    body = pod_manifest("e2e-x", ["status"], IMAGE, "ctp-data")
    api = ApiClient()
    if hasattr(V1Pod, "from_dict"):
        assert api.sanitize_for_serialization(V1Pod.from_dict(body))["spec"]["containers"][0]["args"] == ["status"]
