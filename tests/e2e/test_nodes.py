"""The parts of the cluster test that need no cluster."""

from __future__ import annotations

import copy

import pytest

from .nodes import attempts, decided, node_called, phase, story, submission, waiting


def suspended(**changes):
    supplied = [
        {"name": "approve", "valueFrom": {"supplied": {}, "default": "no"}},
        {"name": "reason", "valueFrom": {"supplied": {}, "default": ""}},
        {"name": "approver", "valueFrom": {"supplied": {}, "default": ""}},
    ]
    nodes = {
        "w": {"id": "w", "displayName": "w", "type": "DAG", "phase": "Running", "templateName": "main"},
        "w-1": {
            "id": "w-1",
            "displayName": "curate(0)",
            "type": "Pod",
            "phase": "Failed",
            "message": "pod deleted",
            "templateName": "curate",
            "startedAt": "2026-01-01T00:00:01Z",
        },
        "w-2": {
            "id": "w-2",
            "displayName": "curate(1)",
            "type": "Pod",
            "phase": "Succeeded",
            "templateName": "curate",
            "startedAt": "2026-01-01T00:00:09Z",
        },
        "w-3": {
            "id": "w-3",
            "displayName": "approve-train",
            "type": "Suspend",
            "phase": "Running",
            "outputs": {"parameters": supplied},
            "startedAt": "2026-01-01T00:00:10Z",
        },
    }
    status = {"phase": "Running", "nodes": nodes} | changes
    return {"metadata": {"name": "w", "resourceVersion": "7"}, "status": status}


def test_an_approval_is_answered_as_argo_does():
    workflow = suspended()
    untouched = copy.deepcopy(workflow)
    answered = decided(workflow, "approve-train", {"approve": "yes", "approver": "me"}, "2026-01-01T00:01:00Z")
    assert workflow == untouched
    node = node_called(answered, "approve-train")
    assert (node["phase"], node["finishedAt"]) == ("Succeeded", "2026-01-01T00:01:00Z")
    values = [{"name": "approve", "value": "yes"}, {"name": "reason", "value": ""}, {"name": "approver", "value": "me"}]
    assert node["outputs"]["parameters"] == values
    assert answered["metadata"]["resourceVersion"] == "7", "the API server must see a clash"
    assert waiting(workflow) == ["approve-train"] and waiting(answered) == []


def test_without_an_answer_the_defaults_count():
    node = node_called(decided(suspended(), "approve-train", {}, "t"), "approve-train")
    assert node["outputs"]["parameters"][0] == {"name": "approve", "value": "no"}


@pytest.mark.parametrize(("name", "values"), [("approve-deploy", {}), ("approve-train", {"aprove": "yes"}), ("curate(1)", {})])
def test_nothing_else_is_answered(name, values):
    with pytest.raises(LookupError):
        decided(suspended(), name, values, "t")


def test_a_retried_template_shows_every_attempt():
    assert [node["phase"] for node in attempts(suspended(), "curate")] == ["Failed", "Succeeded"]
    assert attempts(suspended(), "train") == []


def test_the_story_names_what_went_wrong():
    text = story(suspended(phase="Failed", message="child failed"))
    assert "w: Failed child failed" in text and "curate(0) [Pod] Failed: pod deleted" in text and "curate(1)" not in text


def test_offloaded_nodes_are_not_guessed_at():
    with pytest.raises(ValueError, match="compressed"):
        waiting(suspended(compressedNodes="H4sI"))


def test_a_fresh_workflow_has_neither_phase_nor_nodes():
    fresh = {"metadata": {"name": "w"}}
    assert phase(fresh) == "" and waiting(fresh) == [] and story(fresh) == "w: not started"


def test_submission_is_what_the_cli_sends():
    body = submission("continuous-training", {"window-days": "14"}, "training-pipeline")
    assert body["metadata"]["generateName"] == "continuous-training-"
    assert body["spec"] == {
        "workflowTemplateRef": {"name": "continuous-training"},
        "arguments": {"parameters": [{"name": "window-days", "value": "14"}]},
    }
