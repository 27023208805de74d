"""What would fail later fails before anything starts."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from steps.contract.config import PipelineConfig, RewardJudgeConfig
from steps.contract.errors import AccessError, ConfigError, DataError, TransientError
from steps.operate.preflight import check_inputs, check_judge


@pytest.fixture
def judge():
    """A judge that answers `GET /v1/models` with `status` and keeps the credentials it saw."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.requests.append((self.path, self.headers.get("authorization")))
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.requests = 200, []
    server.url = f"http://127.0.0.1:{server.server_port}/v1/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_judge_is_asked_for_its_models_with_its_key(judge, tmp_path):
    (tmp_path / "key").write_text("k\n")
    check_judge("reward_judge", RewardJudgeConfig(base_url=judge.url, api_key_file=str(tmp_path / "key")))
    assert judge.requests == [("/v1/models", "Bearer k")]


@pytest.mark.parametrize(("status", "kind"), [(401, AccessError), (403, AccessError), (500, TransientError), (503, TransientError)])
def test_a_refusal_and_a_failure_differ(judge, status, kind):
    judge.status = status
    with pytest.raises(kind, match=f"^reward_judge: {judge.url} .*HTTP {status}"):
        check_judge("reward_judge", RewardJudgeConfig(base_url=judge.url))


def test_a_server_that_lists_no_models_may_still_judge(judge):
    judge.status = 404
    check_judge("reward_judge", RewardJudgeConfig(base_url=judge.url))


@pytest.mark.parametrize(
    ("url", "kind"), [("http://127.0.0.1:9/v1", TransientError), ("127.0.0.1:9", ConfigError), ("file:///etc", ConfigError)]
)
def test_nobody_there_and_no_url_name_the_key(url, kind):
    with pytest.raises(kind, match=r"gate_judge\.base_url"):
        check_judge("gate_judge", RewardJudgeConfig(base_url=url))


def test_sources_and_the_way_of_releasing_are_looked_at(tmp_path):
    (tmp_path / "spans.jsonl").write_text("{}\n")
    check_inputs(PipelineConfig(), (str(tmp_path / "spans.jsonl"),))
    with pytest.raises(DataError, match="nowhere"):
        check_inputs(PipelineConfig.model_validate({"ingest": {"sources": [str(tmp_path / "nowhere")]}}), ())
    with pytest.raises(ConfigError, match="release.mode pull-request"):
        check_inputs(PipelineConfig.model_validate({"release": {"mode": "pull-request"}}), ())
