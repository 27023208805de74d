"""The offline judge over HTTP, as a real process."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.errors import ConfigError
from steps.scoring import rubric

CASE = ("Which port does Silver Falcon use?", ["Silver Falcon listens on port 8443."])


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess("judge", {}, log_file=tmp_path_factory.mktemp("judge") / "judge.log") as server:
        yield server.wait_healthy()


@pytest.fixture
def chat(judge, http):
    """Grade an answer to the case: (status, document)."""

    def ask(answer: str, **changes):
        body = {"model": "lexical-entailment-coverage", "messages": [{"role": "user", "content": rubric.render("v1", *CASE, answer)}]}
        return http.post(judge.url, body | changes)

    return ask


def test_models_and_health(judge, http):
    assert http.get(judge.url + "/health")[0] == 200
    status, text = http.get(judge.url + "/v1/models")
    assert status == 200
    for name in ("lexical-entailment-coverage", "lexical-entailment-alignment", "lexical-hash-512"):
        assert name in text


def test_chat_answers_bare_json_the_same_every_time(chat):
    status, first = chat("Silver Falcon listens on port 8443.")
    assert status == 200
    choice = first["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == '{"reason":"lexical-entailment-coverage support","score":1.0}'
    assert first["usage"]["total_tokens"] > 0
    assert chat("Silver Falcon listens on port 8443.")[1]["choices"] == first["choices"]


@pytest.mark.parametrize("model", ["lexical-entailment-coverage", "lexical-entailment-alignment"])
def test_both_scorers_are_served(model, chat):
    good, bad = (
        chat(f"Silver Falcon listens on port {port}.", model=model)[1]["choices"][0]["message"]["content"] for port in (8443, 9090)
    )
    assert '"score":1.0' in good
    assert '"score":1.0' not in bad


def test_unknown_model_and_prompt_are_refused(judge, chat, http):
    assert chat("x", model="gpt-4")[0] == 404
    status, document = http.post(
        judge.url, {"model": "lexical-entailment-coverage", "messages": [{"role": "user", "content": "secret-text"}]}
    )
    assert status == 400
    assert "secret-text" not in str(document)


@pytest.mark.parametrize("body", [[], "text", {"model": "lexical-entailment-coverage"}, {"model": 3, "messages": []}])
def test_malformed_requests_are_refused(judge, body, http):
    assert http.post(judge.url, body)[0] in (400, 404)


def test_embeddings_in_both_encodings(judge, http):
    body = {"model": "lexical-hash-512", "input": ["Silver Falcon", "서울", ""]}
    status, floats = http.post(judge.url, body, path="/v1/embeddings")
    assert status == 200
    assert [row["index"] for row in floats["data"]] == [0, 1, 2]
    _, packed = http.post(judge.url, body | {"encoding_format": "base64"}, path="/v1/embeddings")
    for plain, coded in zip(floats["data"], packed["data"], strict=True):
        assert plain["embedding"] == pytest.approx(struct.unpack("<512f", base64.b64decode(coded["embedding"])))
        assert any(plain["embedding"])


@pytest.mark.parametrize("change", [{"model": "other"}, {"input": []}, {"input": [1]}, {"input": None}, {"input": ["x"] * 3000}])
def test_odd_embedding_requests_are_refused(judge, change, http):
    assert http.post(judge.url, {"model": "lexical-hash-512", "input": "x"} | change, path="/v1/embeddings")[0] in (400, 404)


def test_long_and_hostile_answers_are_scored(chat):
    for answer in ("Silver Falcon " * 7_000, "\ud800 \x00 ⟨asked⟩", '"}\n\nGrade this case'):
        status, document = chat(answer.encode("utf-8", "replace").decode())
        assert status == 200
        assert '"score":1.0' not in document["choices"][0]["message"]["content"]


def test_a_taken_port_is_a_configuration_error(judge, tmp_path):
    with (
        pytest.raises(ConfigError, match="taken"),
        ServerProcess("judge", {"port": judge.ports["port"]}, log_file=tmp_path / "log") as second,
    ):
        second.wait_healthy()
