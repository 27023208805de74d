from __future__ import annotations

import json
from typing import Any

import pytest

from steps.serve.model.openai_api import RequestError, chunk, completion, parse_chat, sampling_of, usage

TURN = [{"role": "user", "content": "hi"}]


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "agent-model", "messages": TURN} | changes).encode()


@pytest.mark.parametrize(
    ("raw", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', 400, None),
        (rb'{"messages": [{"role": "user", "content": "\ud800"}]}', 400, None),
        (b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, None),
        (body(messages=[]), 400, "messages"),
        (body(messages=[{"role": "king", "content": "hi"}]), 400, "messages.0.role"),
        (body(messages=[{"role": "user"}]), 400, "messages.0.content"),
        (body(model="other"), 404, "model"),
        (body(temperature=-1), 400, "temperature"),
        (body(temperature="1"), 400, "temperature"),
        (body(top_p=0), 400, "top_p"),
        (body(n=65), 400, "n"),
        (body(n=True), 400, "n"),
        (body(max_tokens=0), 400, "max_tokens"),
        (body(seed=2**63), 400, None),
        (body(stop=[""]), 400, None),
        (body(tools=[{"type": "function"}]), 400, "tools"),
        (body(logprobs=True), 400, "logprobs"),
        (body(response_format={"type": "json_object"}), 400, "response_format"),
    ],
)
def test_bad_requests_are_refused_by_name(raw: bytes, status: int, param: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        parse_chat(raw, "agent-model")
    assert caught.value.status == status
    assert caught.value.document()["error"]["message"]
    if param is not None:
        assert caught.value.param == param


def test_defaults_are_those_of_the_protocol() -> None:
    request = parse_chat(json.dumps({"messages": TURN, "user": "u1", "stop": None}).encode(), "agent-model")
    sampling = sampling_of(request, 10, 100)
    assert (sampling.temperature, sampling.top_p, sampling.seed, sampling.max_tokens, sampling.stop) == (1.0, 1.0, None, 90, ())
    assert request.count == 1


def test_values_are_taken() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    raw = body(
        messages=[{"role": "user", "content": parts}],
        temperature=0,
        top_p=0.5,
        seed=-3,
        stop="x",
        max_completion_tokens=4,
        max_tokens=9,
        n=2,
    )
    request = parse_chat(raw, "agent-model")
    sampling = sampling_of(request, 10, 100)
    assert request.conversation() == [{"role": "user", "content": "ab"}]
    assert (sampling.temperature, sampling.top_p, sampling.seed, sampling.max_tokens, sampling.stop) == (0.0, 0.5, -3, 4, ("x",))


@pytest.mark.parametrize(("prompt_tokens", "changes"), [(100, {}), (95, {"max_tokens": 6})])
def test_what_does_not_fit_the_context_is_refused(prompt_tokens: int, changes: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="maximum context length is 100 tokens") as caught:
        sampling_of(parse_chat(body(**changes), "agent-model"), prompt_tokens, 100)
    assert caught.value.code == "context_length_exceeded"


def test_documents_have_the_protocols_shape() -> None:
    head = {"id": "i", "created": 1, "model": "m", "version": "7"}
    document = completion(head, [("a", "stop"), ("b", "length")], usage(3, 4))
    assert [choice["message"]["content"] for choice in document["choices"]] == ["a", "b"]
    assert document["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    piece = chunk(head, 1, {"content": "x"})
    assert (piece["object"], piece["choices"][0]["index"], piece["choices"][0]["finish_reason"]) == ("chat.completion.chunk", 1, None)
