"""Factories of golden sets, and a real HTTP server that answers like a chat model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading

import pytest

from steps.contract.files import sha256_file
from steps.contract.refs import ArtifactRef
from steps.store.golden import GoldenItem, GoldenSet


def make_golden(count=24, **meta):
    """Questions whose gold statement names the port of a service."""
    items = []
    for n in range(count):
        statement = f"Service{n} listens on port {8000 + n}."
        question = f"Which port does Service{n} listen on?"
        contexts = (statement, f"Service{n} has 3 replicas.")
        messages = ({"role": "user", "content": question},)
        gold = str(8000 + n)
        items.append(
            GoldenItem(
                id=f"i{n}",
                question=question,
                contexts=contexts,
                messages=messages,
                gold=gold,
                statement=statement,
                entity_seen=n % 2 == 0,
                good=(statement,),
                bad=(f"Service{n} listens on port 1.",),
            )
        )
    return GoldenSet(items=tuple(items), sha256="ab" * 32, **meta)


@pytest.fixture(name="make_golden")
def _make_golden():
    return make_golden


@pytest.fixture
def golden_file(tmp_path):
    """Write a golden set and return its reference."""

    def write(golden=None, meta=None):
        path = tmp_path / "golden.jsonl"
        path.write_text("".join(item.model_dump_json() + "\n" for item in (golden or make_golden()).items))
        if meta is not None:
            (tmp_path / "golden.meta.json").write_text(json.dumps(meta))
        return ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))

    return write


class ChatServer:
    """A chat-completions server in a thread; `reply(body, number)` gives the text, or (status, document)."""

    def __init__(self, reply):
        self.reply, self.bodies, self.url = reply, [], ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self):
        from aiohttp import web

        async def chat(request):
            body = await request.json()
            self.bodies.append(body)
            found = self.reply(body, len(self.bodies))
            if asyncio.iscoroutine(found):
                found = await found
            if isinstance(found, str):
                return web.json_response({"choices": [{"message": {"role": "assistant", "content": found}}]})
            status, document = found
            return web.json_response(document, status=status)

        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._done = asyncio.Event()
        self._ready.set()
        await self._done.wait()
        await runner.cleanup()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def chat_server():
    with contextlib.ExitStack() as stack:
        yield lambda reply: stack.enter_context(ChatServer(reply))


def port_of(body):
    """The right answer to a question of `make_golden`."""
    number = body["messages"][-1]["content"].split("Service")[1].split(" ")[0]
    return f"Service{number} listens on port {8000 + int(number)}."


@pytest.fixture(name="port_of")
def _port_of():
    return port_of
