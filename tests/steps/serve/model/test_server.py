from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.errors import ConfigError, DataError


def ask(text: str = "Which port does Aurora listen on?", **changes: Any) -> dict[str, Any]:
    return {"model": "agent-model", "messages": [{"role": "user", "content": text}], "max_tokens": 8} | changes


def content(document: dict[str, Any]) -> str:
    return document["choices"][0]["message"]["content"]


def events(url: str, body: dict[str, Any]) -> list[Any]:
    request = urllib.request.Request(f"{url}/v1/chat/completions", data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in response.read().decode().split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_seed_gives_one_answer_whoever_else_asks(running: Any) -> None:
    first = content(running.post(ask(seed=11))[1])
    assert content(running.post(ask(seed=11, n=3))[1]) == first
    with ThreadPoolExecutor(24) as pool:
        noise = [ask(f"Aurora {'port ' * (i % 9)}", seed=i, max_tokens=4 + i % 20) for i in range(48)]
        answers = list(pool.map(running.post, [*noise, ask(seed=11), *noise]))
    assert {status for status, _ in answers} == {200}
    assert content(answers[48][1]) == first
    assert content(running.post(ask(seed=12))[1]) != first


def test_answer_document(running: Any) -> None:
    status, document = running.post(ask(n=3, seed=1, temperature=0.7, top_p=0.9))
    assert status == 200
    assert [choice["index"] for choice in document["choices"]] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in document["choices"]}) > 1
    assert document["model"] == "agent-model"
    assert document["system_fingerprint"] == "7"
    assert document["usage"]["completion_tokens"] <= 24
    assert {choice["finish_reason"] for choice in document["choices"]} <= {"stop", "length"}


def test_greedy_needs_no_seed(running: Any) -> None:
    assert content(running.post(ask(temperature=0))[1]) == content(running.post(ask(temperature=0, seed=3))[1])


def test_streaming_says_the_same(running: Any) -> None:
    whole = running.post(ask(seed=5, n=2, max_tokens=12))[1]
    pieces = events(running.server.url, ask(seed=5, n=2, max_tokens=12, stream=True, stream_options={"include_usage": True}))
    for index, choice in enumerate(whole["choices"]):
        own = [c for piece in pieces for c in piece["choices"] if c["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(c["delta"].get("content", "") for c in own) == choice["message"]["content"]
        assert own[-1]["finish_reason"] == choice["finish_reason"]
    assert pieces[-1]["choices"] == []
    assert pieces[-1]["usage"] == whole["usage"]


def test_a_stop_text_ends_the_answer(running: Any) -> None:
    text = content(running.post(ask(temperature=0, max_tokens=16))[1])
    mark = text[2:4]
    document = running.post(ask(temperature=0, max_tokens=16, stop=mark))[1]
    assert content(document) == text[: text.index(mark)]
    assert document["choices"][0]["finish_reason"] == "stop"
    pieces = events(running.server.url, ask(temperature=0, max_tokens=16, stop=[mark], stream=True))
    assert "".join(piece["choices"][0]["delta"].get("content", "") for piece in pieces) == content(document)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (ask(model="other"), 404),
        (ask(messages=[]), 400),
        (ask("long " * 400), 400),
        (ask(max_tokens=10_000), 400),
        (b"x" * (9 << 20), 413),
    ],
)
def test_bad_requests_get_openai_errors(running: Any, body: Any, status: int) -> None:
    code, document = running.post(body)
    assert code == status
    assert document["error"]["type"] == "invalid_request_error"


def test_other_routes(running: Any) -> None:
    status, document = running.get("/v1/models")
    assert (status, json.loads(document)["data"][0]["id"]) == (200, "agent-model")
    assert running.get("/health")[0] == 200
    status, document = running.get("/nowhere")
    assert (status, "error" in json.loads(document)) == (404, True)


def test_no_text_reaches_the_log(running: Any) -> None:
    running.post(ask("tell nobody zebra-crossing"))
    running.post(b'{"zebra-crossing')
    assert "zebra" not in running.server.log_file.read_text()


def test_an_answered_request_has_its_span_below_the_callers(running: Any) -> None:
    headers = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "baggage": "consent=train,region=eu-west-1,confidentiality=internal,user.id=u%201,session.id=s9,other=x",
    }
    document = running.post(ask(seed=4, temperature=0.5), headers)[1]
    (span,) = [span for span in running.spans() if span["traceId"] == "0af7651916cd43dd8448eb211c80319c"]
    assert (span["name"], span["kind"], span["parentSpanId"]) == ("chat agent-model", 2, "b7ad6b7169203331")
    assert span["resource"]["service.name"] == "agent-model"
    assert span["resource"]["service.version"] == "7"
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ctp",
        "gen_ai.request.model": "agent-model",
        "gen_ai.response.model": "agent-model",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 8,
        "gen_ai.request.seed": 4,
        "gen_ai.response.id": document["id"],
        "gen_ai.response.finish_reasons": [document["choices"][0]["finish_reason"]],
        "gen_ai.usage.input_tokens": document["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": document["usage"]["completion_tokens"],
        "ctp.consent": "train",
        "ctp.region": "eu-west-1",
        "ctp.confidentiality": "internal",
        "user.id": "u 1",
        "session.id": "s9",
    }
    assert {key: span["attributes"].get(key) for key in expected} == expected
    question = [{"role": "user", "parts": [{"type": "text", "content": "Which port does Aurora listen on?"}]}]
    assert json.loads(span["attributes"]["gen_ai.input.messages"]) == question
    (answer,) = json.loads(span["attributes"]["gen_ai.output.messages"])
    assert answer["parts"] == [{"type": "text", "content": content(document)}]
    assert "other" not in json.dumps(span["attributes"])


def test_a_refused_request_has_an_error_span_without_text(running: Any) -> None:
    running.post(ask("giraffe", n=0), {"traceparent": "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    (span,) = [span for span in running.spans() if span["traceId"] == "1af7651916cd43dd8448eb211c80319c"]
    assert span["status"]["code"] == 2
    assert span["attributes"]["error.type"] == "invalid_value"
    assert "giraffe" not in json.dumps(span)


def test_a_malformed_traceparent_is_a_new_trace(running: Any) -> None:
    before = len(running.spans())
    assert running.post(ask(), {"traceparent": "rubbish", "baggage": ",,=;="})[0] == 200
    assert len(running.spans()) == before + 1


def test_metrics_have_vllms_names_and_count(running: Any) -> None:
    running.post(ask(seed=1))
    text = running.get("/metrics")[1]
    labels = 'engine="0",model_name="agent-model"'
    for name in ("num_requests_running", "num_requests_waiting", "prompt_tokens_total", "generation_tokens_total"):
        assert f"vllm:{name}{{{labels}}}" in text
    for name in ("e2e_request_latency_seconds", "time_to_first_token_seconds", "inter_token_latency_seconds", "request_queue_time_seconds"):
        assert f"vllm:{name}_count{{{labels}}}" in text
    assert 'vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.3",model_name="agent-model"}' in text
    assert 'vllm:request_success_total{engine="0",finished_reason="error",model_name="agent-model"} 0.0' in text
    assert 'http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"}' in text


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def aborted(running: Any) -> float:
    lines = running.get("/metrics")[1].splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("vllm:request_success_total") and '"abort"' in line)


def test_a_client_that_leaves_frees_its_rows(running: Any) -> None:
    before = aborted(running)
    body = json.dumps(ask(max_tokens=220, n=64)).encode()
    with socket.create_connection(("127.0.0.1", running.server.ports["port"])) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: running_now(running.get("/metrics")[1]) > 0)
    wait_until(lambda: aborted(running) > before)


def test_health_waits_for_the_model_and_sigterm_answers_what_is_in_flight(micro_model: Path, tmp_path: Path, http: Any) -> None:
    with ServerProcess("model", {"model": micro_model, "spans_dir": tmp_path / "spans"}, log_file=tmp_path / "log") as server:
        wait_until(server.port_file.exists, 30)
        port = json.loads(server.port_file.read_text())["port"]
        assert http.get(f"http://127.0.0.1:{port}/health")[0] == 503
        assert http.post(f"http://127.0.0.1:{port}", ask())[0] == 503
        server.wait_healthy(60)
        with ThreadPoolExecutor(16) as pool:
            jobs = [pool.submit(http.post, server.url, ask(max_tokens=220, n=4)) for _ in range(16)]
            wait_until(lambda: running_now(http.get(f"{server.url}/metrics")[1]) > 0)
            assert server.stop() == 0
            assert {job.result()[0] for job in jobs} == {200}
        answered = [span for span in http.read_spans(tmp_path / "spans") if "gen_ai.response.id" in span["attributes"]]
        assert len(answered) == 16


def test_a_server_that_leaves_answers_for_a_while_and_says_so(micro_model: Path, tmp_path: Path) -> None:
    """Whoever routes here learns late; a proxy must not send its next request on a connection that is about to close."""
    with ServerProcess("model", {"model": micro_model, "settle_s": 2}, log_file=tmp_path / "log") as server:
        server.wait_healthy(60)
        os.kill(server.pid, signal.SIGTERM)
        body = json.dumps(ask(max_tokens=2)).encode()

        def answered() -> tuple[int, str | None, int]:
            connection = http.client.HTTPConnection("127.0.0.1", server.ports["port"], timeout=10)
            with contextlib.closing(connection):
                connection.request("POST", "/v1/chat/completions", body)
                response = connection.getresponse()
                response.read()
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.ports["port"], timeout=10)) as probe:
                probe.request("GET", "/health")
                health = probe.getresponse()
                health.read()
            return response.status, response.getheader("Connection"), health.status

        wait_until(lambda: answered() == (200, "close", 503))
        assert server.stop() == 0


def test_faults_on_purpose_are_said_and_happen(micro_model: Path, tmp_path: Path, http: Any) -> None:
    options = {"model": micro_model, "fault": "latency=300ms,errors=0.5,noise=2", "model_version": "9", "pod_template_hash": "5d4f"}
    with ServerProcess("model", options | {"spans_dir": tmp_path / "spans"}, log_file=tmp_path / "log") as server:
        server.wait_healthy(60)
        said = json.loads(http.get(f"{server.url}/health")[1])
        assert said == {"status": "ok", "model": "agent-model", "version": "9", "fault": "latency=300ms,errors=0.5,noise=2"}
        with ThreadPoolExecutor(16) as pool:
            began = time.monotonic()
            found = list(pool.map(lambda _: http.post(server.url, ask(max_tokens=2)), range(40)))
        assert time.monotonic() - began > 0.6, "three rounds of sixteen"
    statuses = [status for status, _ in found]
    assert set(statuses) == {200, 500} and 5 <= statuses.count(500) <= 35
    assert {document["error"]["code"] for status, document in found if status == 500} == {"injected_fault"}
    assert "fails on purpose" in (tmp_path / "log").read_text()
    assert {span["resource"]["ctp.pod_template_hash"] for span in http.read_spans(tmp_path / "spans")} == {"5d4f"}


def test_a_model_by_reference_is_checked_before_it_is_loaded(micro_model: Path) -> None:
    from steps.contract.files import sha256_tree
    from steps.serve.model.language_model import model_folder

    digest = sha256_tree(micro_model)
    assert model_folder(f"{micro_model.as_uri()}#sha256:{digest}") == str(micro_model)
    assert model_folder("org/model") == "org/model"
    with pytest.raises(DataError, match="missing or was changed"):
        model_folder(f"{micro_model.as_uri()}#sha256:{'0' * 64}")
    with pytest.raises(ConfigError, match="write file:///FOLDER#sha256:DIGEST"):
        model_folder(micro_model.as_uri())


def running_now(text: str) -> float:
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith("vllm:num_requests_running{"))


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    server = ServerProcess("model", {"model": tmp_path / "none"}, log_file=tmp_path / "log")
    with server, pytest.raises(DataError, match="no config.json there"):
        server.wait_healthy(60)
