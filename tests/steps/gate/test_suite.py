from __future__ import annotations

import asyncio
import math

import pytest

from steps.contract.config import GateConfig
from steps.contract.errors import AccessError, ConfigError, TransientError
from steps.gate.suite import ask_both, chat_url, request_seed


def ask(golden, champion, candidate, **config):
    settings = GateConfig(**{"samples_per_prompt": 2, "concurrency": 4, **config})
    return asyncio.run(ask_both(golden, {"champion": champion.url, "candidate": candidate.url}, "agent-model", settings))


def test_every_question_is_asked_of_both_with_the_same_seeds(make_golden, chat_server, port_of):
    golden = make_golden(5)
    champion, candidate = (chat_server(lambda body, _: port_of(body)) for _ in range(2))
    answers = ask(golden, champion, candidate, temperature=0.7, max_tokens=9)
    assert [(a.item, a.sample, a.arm) for a in answers] == [
        (i, s, arm) for i in range(5) for s in range(2) for arm in ("candidate", "champion")
    ]
    assert all(a.text == golden.items[a.item].statement and a.latency_ms > 0 and not a.error for a in answers)

    def seen(server):
        return sorted(
            (body["seed"], body["messages"][0]["content"], body["temperature"], body["max_tokens"], body["model"]) for body in server.bodies
        )

    assert seen(champion) == seen(candidate)
    assert len({body["seed"] for body in champion.bodies}) == 10


def test_models_take_turns(make_golden, chat_server):
    order = []

    def server(name):
        return chat_server(lambda body, _: order.append(name) or "a")

    ask(make_golden(4), server("champion"), server("candidate"), concurrency=1, samples_per_prompt=1)
    assert (
        sorted(map(tuple, zip(order[::2], order[1::2], strict=True))) == [("candidate", "champion")] * 2 + [("champion", "candidate")] * 2
    )


def test_no_more_questions_in_flight_than_configured(make_golden, chat_server):
    now, most = [0], [0]

    async def slow():
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1
        return "a"

    server = chat_server(lambda body, _: slow())
    ask(make_golden(10), server, server, concurrency=3)
    assert most[0] == 3


@pytest.mark.parametrize(
    "reply", [(503, {}), (429, {}), (200, {"choices": []}), (200, {"choices": [{"message": {"content": 1}}]}), (200, [])]
)
def test_a_passing_failure_is_retried(make_golden, chat_server, reply):
    champion = chat_server(lambda body, number: reply if number == 1 else "fine")
    candidate = chat_server(lambda *_: "fine")
    assert {answer.text for answer in ask(make_golden(1), champion, candidate, samples_per_prompt=1)} == {"fine"}
    assert len(champion.bodies) == 2


def test_an_answer_that_never_comes_is_kept_with_its_error(make_golden, chat_server):
    champion = chat_server(lambda body, _: (500, {}) if "Service1 " in body["messages"][0]["content"] else "fine")
    candidate = chat_server(lambda *_: "fine")
    answers = ask(make_golden(2), champion, candidate, samples_per_prompt=1)
    lost = [answer for answer in answers if answer.error]
    assert len(answers) == 4
    assert [(a.item, a.arm, a.text, a.error) for a in lost] == [(1, "champion", "", "HTTP 500")]
    assert math.isnan(lost[0].latency_ms)


def test_an_empty_answer_is_an_answer(make_golden, chat_server):
    server = chat_server(lambda *_: (200, {"choices": [{"message": {"content": None}}]}))
    answers = ask(make_golden(1), server, server, samples_per_prompt=1)
    assert [(answer.text, answer.error) for answer in answers] == [("", ""), ("", "")]


@pytest.mark.parametrize(("status", "kind"), [(404, ConfigError), (400, ConfigError), (401, AccessError), (403, AccessError)])
def test_a_refusal_ends_the_gate_at_once(make_golden, chat_server, status, kind):
    server = chat_server(lambda *_: (status, {"error": "no"}))
    with pytest.raises(kind, match=f"HTTP {status}"):
        ask(make_golden(1), server, server)


def test_a_model_that_answers_nothing_is_no_result(make_golden, chat_server):
    champion, candidate = chat_server(lambda *_: "fine"), chat_server(lambda *_: (503, {}))
    with pytest.raises(TransientError, match="the candidate at .* answered none of 1 requests"):
        ask(make_golden(1), champion, candidate, samples_per_prompt=1)


def test_a_silent_server_times_out(make_golden, chat_server):
    async def never():
        await asyncio.sleep(0.3)
        return "late"

    champion, candidate = chat_server(lambda *_: "fine"), chat_server(lambda *_: never())
    with pytest.raises(TransientError, match="answered none"):
        ask(make_golden(1), champion, candidate, samples_per_prompt=1, request_timeout_s=0.05)


@pytest.mark.parametrize("base", ["http://host:1", "http://host:1/", "http://host:1/v1", "http://host:1/v1/"])
def test_the_chat_route(base):
    assert chat_url(base) == "http://host:1/v1/chat/completions"


def test_seeds_differ_by_question_sample_and_set():
    seeds = {request_seed(golden, item, sample) for golden in ("a", "b") for item in ("1", "2") for sample in (0, 1)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
