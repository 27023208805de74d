"""`ctp serve judge`: an offline, OpenAI-compatible judge. It is lexical: no model, no network, the same answer every time.

Serves two independent scorers, `lexical-entailment-coverage` and `lexical-entailment-alignment`,
under `/v1/chat/completions`, and the embedding `lexical-hash-512` under `/v1/embeddings`.
A prompt it does not know is refused with 400 and an unknown model with 404: never a default score.
"""

from __future__ import annotations

import base64
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from steps.serve.judge.lexical import embedding
from steps.serve.judge.lexical.grade import SCORERS
from steps.serve.judge.lexical.prompts import UnknownPromptError, answer
from steps.serve.lifecycle import run_http

if TYPE_CHECKING:
    from aiohttp import web

    from steps.serve.lifecycle import Lifecycle

MAX_BODY_BYTES = 64 << 20
MAX_TEXTS = 2048
_OWNER = "ctp-offline-lexical"


class Refusal(Exception):
    """A request that is refused; the message holds nothing of the request's text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _json(document: Any, status: int = 200) -> web.Response:
    from aiohttp import web

    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


async def _document(request: web.Request) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Refusal(400, "the request body is not JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "the request body must be a JSON object")
    return body


def chat_document(body: dict[str, Any]) -> dict[str, Any]:
    """The chat completion for a request.

    Raises:
        Refusal: unknown model (404), unknown prompt or malformed request (400).
    """
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or model not in SCORERS:
        raise Refusal(404, f"this judge serves the models {' and '.join(SCORERS)}")
    if not isinstance(messages, list) or body.get("stream"):
        raise Refusal(400, "messages must be a list, and streaming is not offered")
    try:
        content = orjson.dumps(answer(SCORERS[model], messages)).decode()
    except UnknownPromptError as error:
        raise Refusal(400, str(error)) from None
    prompt_tokens, answer_tokens = sum(len(str(message)) for message in messages) // 4, len(content) // 4
    return {
        "id": "chatcmpl-lexical",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": answer_tokens, "total_tokens": prompt_tokens + answer_tokens},
    }


def embedding_document(body: dict[str, Any]) -> dict[str, Any]:
    """The embeddings for a request; `encoding_format` is float (default) or base64 of little-endian float32.

    Raises:
        Refusal: unknown model (404) or malformed request (400).
    """
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if body.get("model") != embedding.NAME:
        raise Refusal(404, f"this judge serves the embedding model {embedding.NAME}")
    if not isinstance(texts, list) or not texts or len(texts) > MAX_TEXTS or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, f"input must be a text or a list of 1 to {MAX_TEXTS} texts")
    packed = [embedding.embed(text) for text in texts]
    encoded = body.get("encoding_format") == "base64"
    vectors: list[Any] = [base64.b64encode(raw).decode() if encoded else array("f", raw).tolist() for raw in packed]
    tokens = sum(len(text) for text in texts) // 4
    return {
        "object": "list",
        "model": embedding.NAME,
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


async def judge_app() -> web.Application:
    """The application: chat completions, embeddings, models, health."""
    from aiohttp import web

    async def chat(request: web.Request) -> web.Response:
        return await _answer(request, chat_document)

    async def embeddings(request: web.Request) -> web.Response:
        return await _answer(request, embedding_document)

    async def models(_: web.Request) -> web.Response:
        names = (*SCORERS, embedding.NAME)
        return _json({"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": _OWNER} for name in names]})

    async def health(_: web.Request) -> web.Response:
        return _json({"status": "ok"})

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/embeddings", embeddings)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/health", health)
    return app


async def _answer(request: web.Request, make: Any) -> web.Response:
    """Run one endpoint; a refusal becomes OpenAI's error document."""
    try:
        return _json(make(await _document(request)))
    except Refusal as refusal:
        kind = "not_found_error" if refusal.status == 404 else "invalid_request_error"
        return _json({"error": {"message": str(refusal), "type": kind, "param": None, "code": None}}, refusal.status)


def serve_judge(port: int, host: str = "127.0.0.1", watch_stdin: bool = False, port_file: Path | None = None) -> None:
    """Serve until stopped.

    Args:
        port: 0 takes a free one.
        host: address to listen on.
        watch_stdin: end when standard input closes.
        port_file: where the real port is written.

    Raises:
        ConfigError: the port is taken.
    """

    async def make_app(_: Lifecycle) -> web.Application:
        return await judge_app()

    run_http(make_app, port=port, host=host, port_file=port_file, watch_stdin=watch_stdin)
