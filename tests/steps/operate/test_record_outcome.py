"""The end of a workflow is recorded and told; neither failing fails anything."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.store.lake import open_lake


@pytest.fixture
def listener():
    """A webhook that keeps what it gets and answers with `status`."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.got = 200, got
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def end(tmp_path, url="", **params):
    notify = {}
    if url:
        (tmp_path / "url").write_text(url + "\n")
        notify = {"webhook_url_file": str(tmp_path / "url"), "timeout_s": 2}
    ctx = StepContext(PipelineConfig.model_validate({"notify": notify}), "r1", tmp_path / "work")
    result = run_step(
        find_step("record-outcome"), {"workflow": "continuous-training-x", "status": "Succeeded", "duration_s": "12.5", **params}, ctx
    )
    return result, ctx


def test_recorded_once_and_told(tmp_path, listener):
    url = f"http://127.0.0.1:{listener.server_port}/hook?token=s3cret"
    for _ in range(2):
        result, ctx = end(tmp_path, url)
        assert (result.outcome, result.recorded, result.notified, result.reason) == ("succeeded", True, True, "")
    assert listener.got[0]["workflow"] == "continuous-training-x"
    with open_lake(ctx.config, ctx.workdir) as lake:
        (record,) = lake.run_records("workflow")
    assert (record.payload["duration_s"], record.payload["outcome"]) == (12.5, "succeeded")


@pytest.mark.parametrize("broken", ["status", "closed", "no-url"])
def test_a_webhook_that_fails_fails_nothing_and_its_url_stays_secret(tmp_path, listener, broken):
    listener.status = 500
    url = {"status": f"http://127.0.0.1:{listener.server_port}/s3cret", "closed": "http://127.0.0.1:1/s3cret", "no-url": "file:///s3cret"}[
        broken
    ]
    result, _ = end(tmp_path, url)
    assert (result.recorded, result.notified) == (True, False)
    assert result.reason.startswith("not notified")
    assert "s3cret" not in result.reason


def test_a_lake_that_fails_fails_nothing(tmp_path):
    (tmp_path / "work").write_text("a file where the folder belongs")
    result, _ = end(tmp_path)
    assert (result.recorded, result.outcome) == (False, "succeeded")
    assert "not recorded" in result.reason


def test_a_declined_run_is_rejected_not_failed(tmp_path):
    ctx = StepContext(PipelineConfig(), "r1", tmp_path / "work")
    run_step(find_step("approve"), {"stage": "approve-train", "digest": "a" * 64, "decision": "no"}, ctx)
    result, _ = end(tmp_path, status="Failed", failures='[{"displayName": "rejected"}]')
    assert result.outcome == "rejected"
    assert end(tmp_path, status="Error")[0].outcome == "error"


def test_the_workflow_is_metered_and_its_cost_told(tmp_path, listener):
    file = tmp_path / "workflow.json"
    resources = {"container": {"resources": {"requests": {"cpu": "8", "nvidia.com/gpu": "8"}}}}
    node = {"type": "Pod", "templateName": "train", "phase": "Succeeded", "resourcesDuration": {"cpu": 57600, "nvidia.com/gpu": 57600}}
    node |= {"startedAt": "2026-05-04T05:00:00Z", "finishedAt": "2026-05-04T07:00:00Z"}
    templates = {"templates": [{"name": "train", **resources}]}
    document = {"kind": "Workflow", "metadata": {"name": "x"}, "status": {"nodes": {"n": node}, "storedWorkflowTemplateSpec": templates}}
    file.write_text(json.dumps(document))
    result, ctx = end(tmp_path, f"http://127.0.0.1:{listener.server_port}/", workflow_file=str(file))
    assert result.metered and result.reason == ""
    assert result.usd_at_most == result.train_usd_at_most == result.month_usd_at_most == pytest.approx(2 * 63.296)
    assert (result.gpu_hours_at_most, result.label_usd_at_most, result.month_usd_limit) == (16.0, 0.0, 0.0)
    assert listener.got[0]["usd_at_most"] == result.usd_at_most
    with open_lake(ctx.config, ctx.workdir) as lake:
        assert [record.run_id for record in lake.run_records("cost")] == ["r1"]


@pytest.mark.parametrize("content", [None, "[]", "{", '{"kind": "Pod"}'])
def test_a_workflow_that_cannot_be_metered_fails_nothing_and_is_no_zero(tmp_path, content):
    file = tmp_path / "workflow.json"
    if content is not None:
        file.write_text(content)
    result, ctx = end(tmp_path, workflow_file=str(file))
    assert (result.recorded, result.metered) == (True, False) and result.reason.startswith("not metered: DataError")
    with open_lake(ctx.config, ctx.workdir) as lake:
        assert lake.run_records("cost") == []
