"""A real HTTP server that answers like a chat model."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from ...golden import golden_file, make_golden  # noqa: F401


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
            reply = self.reply(body, len(self.bodies))
            if asyncio.iscoroutine(reply):
                reply = await reply
            if isinstance(reply, str):
                return web.json_response({"choices": [{"message": {"role": "assistant", "content": reply}}]})
            status, document = reply
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


def right_answer(body):
    """The right answer to a question of `make_golden`."""
    number = body["messages"][-1]["content"].split("Service")[1].split(" ")[0]
    return f"Service{number} listens on port {8000 + int(number)}."


@pytest.fixture
def port_of():
    return right_answer
