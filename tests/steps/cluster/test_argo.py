"""Objects of Argo through the Kubernetes API, by the real client over HTTP."""

from __future__ import annotations

import pytest

from steps.cluster.argo import abort_rollout, analysis_runs, rollout, workflow
from steps.contract.errors import AccessError, DataError, TransientError

from ..release.served import ANALYSES, ROLLOUT, analysis_run
from ..release.served import rollout as document_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PLACE = ("model-serving", "agent-model")


def test_a_rollout_is_there_or_not(api):
    assert rollout(*PLACE) is None
    api.objects[ROLLOUT] = document_of("Healthy")
    assert rollout(*PLACE)["status"]["phase"] == "Healthy"


def test_a_workflow_that_is_not_there_is_an_error(api):
    with pytest.raises(DataError, match=r"workflow training-pipeline/w-1: there is none: check --namespace and --workflow"):
        workflow("training-pipeline", "w-1")


def test_only_the_rollouts_own_analyses_of_the_version_count(api):
    api.objects[ANALYSES] = {"items": [analysis_run("Failed"), analysis_run("Failed", rollout="other"), {"metadata": {}}]}
    (run,) = analysis_runs(*PLACE, "abc")
    assert run["metadata"]["ownerReferences"][0]["name"] == "agent-model"
    assert "labelSelector=rollouts-pod-template-hash%3Dabc" in api.asked[-1][1]


def test_an_abort_changes_the_status_alone(api):
    api.objects[f"{ROLLOUT}/status"] = {}
    abort_rollout(*PLACE)
    method, path, _, body = api.asked[-1]
    assert (method, path, body) == ("PATCH", f"{ROLLOUT}/status", {"status": {"abort": True}})


@pytest.mark.parametrize(("code", "kind", "text"), [(403, AccessError, "let this account get rollouts"), (500, TransientError, "HTTP 500")])
def test_refusals_name_the_right_that_is_missing(api, code, kind, text):
    api.code = code
    with pytest.raises(kind, match=f"^rollout model-serving/agent-model: .*{text}"):
        rollout(*PLACE)
