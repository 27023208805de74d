from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from steps.contract.errors import AccessError, ConfigError, TransientError
from steps.scoring import client as client_module
from steps.scoring.client import JudgeClient
from steps.scoring.responses import JudgeAnswerError

SCHEMA = {"type": "object"}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(client_module, "BACKOFF_S", (0.01, 0.02))


@pytest.fixture
def asking(lab):
    """Ask prompts against a server that gives these replies in turn (the last one for ever): (results, request bodies)."""
    return lambda *replies, prompts=("p",), **config: exchange(lab, replies, prompts, config)


def exchange(lab, replies, prompts, config):
    bodies = []

    async def handler(request):
        bodies.append(await request.json())
        reply = replies[min(len(bodies), len(replies)) - 1]
        return await reply(request) if callable(reply) else lab.completion(reply)

    async def run():
        async with lab.serving(handler) as url, JudgeClient(lab.judge_config(url, **config)) as client:
            calls = [client.ask(prompt, "Name", SCHEMA, lambda text: json.loads(text)["a"]) for prompt in prompts]
            return await asyncio.gather(*calls, return_exceptions=True)

    results = asyncio.run(run())
    return results, bodies


def status(code, **headers):
    async def reply(_):
        return web.Response(status=code, headers=headers)

    return reply


async def hang(_):
    await asyncio.sleep(30)


async def cut_off(_):
    return web.json_response({"choices": [{"finish_reason": "length", "message": {"content": '{"a": 1'}}]})


def test_request_is_deterministic_and_structured(asking):
    (result,), (body,) = asking('{"a": 7}', enable_thinking=False, max_tokens=99)
    assert result == 7
    assert body["temperature"] == 0
    assert body["seed"] == 0
    assert body["max_tokens"] == 99
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("bad", ["", None, "no json", '{"b": 1}', "[1]", "<think>{"])
def test_an_unreadable_answer_is_asked_for_again_with_another_seed(bad, asking):
    (result,), bodies = asking(bad, '{"a": 1}')
    assert result == 1
    assert [body["seed"] for body in bodies] == [0, 1]


@pytest.mark.parametrize("code", [408, 409, 425, 429, 500, 502, 503])
def test_passing_failures_are_tried_again(code, asking):
    (result,), bodies = asking(status(code), status(code), '{"a": 1}')
    assert result == 1
    assert len(bodies) == 3


def test_retry_after_is_honoured(lab):
    async def timed():
        loop = asyncio.get_running_loop()
        times = []

        async def handler(request):
            times.append(loop.time())
            return lab.completion('{"a": 1}') if len(times) > 1 else web.Response(status=429, headers={"Retry-After": "0.5"})

        async with lab.serving(handler) as url, JudgeClient(lab.judge_config(url)) as client:
            await client.ask("p", "n", SCHEMA, str)
        return times[1] - times[0]

    assert asyncio.run(timed()) >= 0.5


@pytest.mark.parametrize(
    ("reply", "error", "requests"),
    [
        (status(400), JudgeAnswerError, 1),
        (status(413), JudgeAnswerError, 1),
        (cut_off, JudgeAnswerError, 1),
        ("rubbish", JudgeAnswerError, 4),
        (status(401), AccessError, 1),
        (status(403), AccessError, 1),
        (status(404), ConfigError, 1),
        (status(500), TransientError, 4),
        (status(429), TransientError, 4),
    ],
)
def test_what_is_not_cured_ends_as_a_typed_error(reply, error, requests, asking):
    (result,), bodies = asking(reply)
    assert isinstance(result, error)
    assert len(bodies) == requests


def test_a_hanging_judge_times_out(asking):
    (result,), _ = asking(hang, timeout_s=0.1, tries=2)
    assert isinstance(result, TransientError)
    assert "0.1 s" in str(result)


def test_an_absent_judge_is_one_clear_line(lab):
    async def run():
        async with JudgeClient(lab.judge_config("http://127.0.0.1:9/v1", tries=2)) as client:
            await client.ask("p", "n", SCHEMA, str)

    with pytest.raises(TransientError, match=r"http://127.0.0.1:9/v1/chat/completions.*not reachable.*base_url") as caught:
        asyncio.run(run())
    assert "\n" not in str(caught.value)


def test_equal_prompts_are_asked_once(asking):
    results, bodies = asking('{"a": 1}', prompts=["p"] * 20 + ["q"])
    assert results == [1] * 21
    assert len(bodies) == 2


def test_a_failed_question_is_not_remembered(lab):
    async def run():
        replies = iter([web.Response(status=400), lab.completion('{"a": 1}')])

        async def handler(_):
            return next(replies)

        async with lab.serving(handler) as url, JudgeClient(lab.judge_config(url)) as client:
            with pytest.raises(JudgeAnswerError):
                await client.ask("p", "n", SCHEMA, json.loads)
            return await client.ask("p", "n", SCHEMA, json.loads)

    assert asyncio.run(run()) == {"a": 1}


def test_concurrency_bounds_requests_in_flight(asking, lab):
    flying, peak = 0, 0

    async def slow(_):
        nonlocal flying, peak
        flying += 1
        peak = max(peak, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        return lab.completion('{"a": 1}')

    asking(slow, prompts=[str(number) for number in range(30)], concurrency=3)
    assert peak == 3


def test_the_key_is_sent_and_a_base_url_is_required(tmp_path, asking, lab):
    key = tmp_path / "key"
    key.write_text("sk-test")
    seen = []

    async def look(request):
        seen.append(request.headers.get("authorization"))
        return lab.completion('{"a": 1}')

    asking(look, api_key_file=str(key))
    assert seen == ["Bearer sk-test"]
    with pytest.raises(ConfigError, match="base_url is empty"):
        JudgeClient(lab.judge_config(""))


def test_an_odd_base_url_is_a_configuration_error(lab):
    async def run():
        async with JudgeClient(lab.judge_config("ftp://judge/v1")) as client:
            await client.ask("p", "n", SCHEMA, str)

    with pytest.raises(ConfigError, match="base_url"):
        asyncio.run(run())


def test_embeddings_are_asked_once_and_in_order(judge_url, lab):
    async def run():
        async with JudgeClient(lab.judge_config(judge_url)) as client:
            first = await client.embed(["a text", "another", "a text"])
            again = await client.embed(["another"])
            return client.calls, first, again

    calls, first, again = asyncio.run(run())
    assert calls == 1
    assert (first[0] == first[2]).all()
    assert (first[1] == again[0]).all()
