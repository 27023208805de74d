"""The model server (`ctp serve model`): any Hugging Face causal language model behind the OpenAI chat protocol.

The small brother of vLLM: the same protocol, metrics and traces, on one CPU core.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from steps.cluster.process import thread_environment
from steps.cluster.telemetry import make_tracer_provider
from steps.serve.lifecycle import SETTLE_S, Lifecycle, as_failure, run_http
from steps.serve.model.engine import Answers, Engine, Overloaded
from steps.serve.model.fault import Fault, parse_fault
from steps.serve.model.language_model import LanguageModel, PromptError, load_language_model, model_folder
from steps.serve.model.metrics import EngineMetrics
from steps.serve.model.openai_api import (
    MAX_BODY_BYTES,
    ChatRequest,
    RequestError,
    chunk,
    completion,
    model_list,
    parse_chat,
    sampling_of,
    usage,
    usage_chunk,
)
from steps.serve.model.rows import Row
from steps.serve.model.spans import ChatSpan, ChatSpans

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger("ctp.serve")

VERSION_HEADER = "x-model-version"
CLIENT_LEFT = 499


def serve_model(
    model: str,
    port: int,
    *,
    host: str = "127.0.0.1",
    served_model_name: str = "agent-model",
    model_version: str = "",
    pod_template_hash: str = "",
    spans_dir: Path | None = None,
    settle_s: float = SETTLE_S,
    fault: str = "",
    port_file: Path | None = None,
    watch_stdin: bool = False,
    threads: int = 1,
) -> None:
    """Serve one model until told to stop.

    Args:
        model: folder of a saved model, `file:///…#sha256:…` (checked before it is loaded), or a Hugging Face id.
        port: 0 takes a free one.
        host: address to listen on.
        served_model_name: what clients call it; `service.name` of its spans.
        model_version: registry version; `service.version` of its spans and header `x-model-version`.
        pod_template_hash: `ctp.pod_template_hash` of its spans; empty: what OTEL_RESOURCE_ATTRIBUTES says.
        spans_dir: folder of its span files; None writes none.
        settle_s: seconds in which new requests are still answered after the signal to stop; health says 503 from the first.
        fault: what goes wrong on purpose, see `steps.serve.model.fault`; empty: nothing.
        port_file: where the real port is written.
        watch_stdin: end when standard input closes.
        threads: CPU threads of the computation.

    Raises:
        DataError: the model cannot be read.
        ConfigError: the model cannot be served here, or the port is taken.
    """
    wrong = parse_fault(fault)
    if wrong.spec:
        log.warning("this server fails on purpose: --fault %s", wrong.spec)
    for name, value in thread_environment(threads).items():
        os.environ.setdefault(name, value)
    from prometheus_client import disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]
    attributes = {"ctp.pod_template_hash": pod_template_hash} if pod_template_hash else {}
    provider = make_tracer_provider(served_model_name, model_version, spans_dir, attributes=attributes)
    metrics = EngineMetrics(served_model_name)

    async def make_app(life: Lifecycle) -> web.Application:
        def on_ready(error: BaseException | None) -> None:
            if error is not None:
                life.stop(as_failure(error, f"loading {model}"))
            gc.freeze()  # torch and the model were imported after the start: see lifecycle

        engine = Engine(lambda: load_language_model(model_folder(model), threads, wrong), metrics, on_ready)
        engines.append(engine)
        engine.start(life.loop)
        spans = ChatSpans(provider, served_model_name)
        return ModelServer(engine, life, metrics, spans, served_model_name, model_version, wrong).app()

    engines: list[Engine] = []
    ended = True
    try:
        run_http(make_app, port=port, host=host, port_file=port_file, watch_stdin=watch_stdin, settle_s=settle_s)
        ended = all(engine.close() for engine in engines)
    finally:
        provider.shutdown()
    if not ended:  # still loading: the thread cannot be interrupted, and nobody waits for it
        os._exit(0)


class ModelServer:
    """HTTP handlers of one engine."""

    def __init__(
        self, engine: Engine, life: Lifecycle, metrics: EngineMetrics, spans: ChatSpans, name: str, version: str, fault: Fault
    ) -> None:
        self._engine, self._life, self._metrics, self._spans = engine, life, metrics, spans
        self._name, self._version, self._fault = name, version, fault
        self._created = int(time.time())

    def app(self) -> web.Application:
        """The aiohttp application."""
        from aiohttp import web

        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._middleware()])
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/health", self.health)
        app.router.add_get("/metrics", self.metrics)
        return app

    def _middleware(self) -> Any:
        from aiohttp import web

        @web.middleware
        async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
            response: web.StreamResponse
            try:
                response = await handler(request)
            except RequestError as error:
                response = _json(error.document(), error.status)
            except web.HTTPException as error:
                message = {413: f"the body is larger than {MAX_BODY_BYTES} bytes"}.get(
                    error.status, f"{error.reason}: {request.method} {request.path[:100]}"
                )
                response = _json(RequestError(error.status, message).document(), error.status)
            except ConnectionError:  # the client left while its answer was being sent
                response = web.Response(status=CLIENT_LEFT)
            except Exception as error:  # noqa: BLE001 - the text of an unknown error may quote the request
                log.error("request failed with %s", type(error).__name__)
                response = _json(RequestError(500, "internal error", kind="internal_error").document(), 500)
            route = request.match_info.route.resource
            self._metrics.http(route.canonical if route else "none", request.method, response.status)
            return response

        return middleware

    async def health(self, _: web.Request) -> web.Response:
        """Answer 200 once the model has answered a first time, 503 before and while draining; the body says which, and any fault."""
        state = "draining" if self._life.draining else "ok" if self._engine.ready else "loading"
        document: dict[str, Any] = {"status": state, "model": self._name, "version": self._version}
        if self._fault.spec:
            document["fault"] = self._fault.spec
        return _json(document, status=200 if state == "ok" else 503)

    async def models(self, _: web.Request) -> web.Response:
        """List the one model of this server."""
        model = self._engine.model
        return _json(model_list(self._name, self._created, model.context_tokens if model else None))

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus text exposition."""
        from aiohttp import web

        return web.Response(body=self._metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer one conversation; its span is exported before the answer is complete."""
        span = self._spans.begin(request.headers)
        try:
            return await self._answer(request, span)
        except RequestError as error:
            span.record_failure(error.code or error.kind)
            raise
        except BaseException as error:
            span.record_failure(type(error).__name__)
            raise
        finally:
            span.end()

    async def _answer(self, request: web.Request, span: ChatSpan) -> web.StreamResponse:
        body = parse_chat(await request.read(), self._name)
        model = self._engine.model
        if model is None or not self._engine.ready:
            raise RequestError(503, "the model is still loading: try again soon", kind="service_unavailable", code="loading")
        prompt = _encode(model, body)
        sampling = sampling_of(body, len(prompt), model.context_tokens)
        span.record_request(body, sampling)
        await self._go_wrong()
        try:
            answers = self._engine.submit(prompt, sampling, count=body.count, stream=bool(body.stream))
        except Overloaded:
            raise RequestError(503, "too many requests wait here: try again soon", kind="service_unavailable", code="overloaded") from None
        head: dict[str, Any] = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": self._name,
            "version": self._version or None,
        }
        try:
            if body.stream:
                return await self._stream(request, body, answers, head, span)
            rows = await answers.finished()
        finally:
            answers.cancel()
        _check(rows)
        span.record_answer(head["id"], rows)
        span.end()
        return _json(completion(head, [(row.text, row.finish_reason) for row in rows], _usage(rows)), version=self._version)

    async def _go_wrong(self) -> None:
        """Do what `--fault` asks for.

        Raises:
            RequestError: this request is one that fails.
        """
        if self._fault.latency_s:
            await asyncio.sleep(self._fault.latency_s)
        if self._fault.hits():
            raise RequestError(500, "this server fails on purpose", kind="internal_error", code="injected_fault")

    async def _stream(
        self, request: web.Request, body: ChatRequest, answers: Answers, head: dict[str, Any], span: ChatSpan
    ) -> web.StreamResponse:
        from aiohttp import web

        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", VERSION_HEADER: self._version}
        )
        await response.prepare(request)
        for row in answers.rows:
            await response.write(_event(chunk(head, row.choice, {"role": "assistant", "content": ""})))
        async for piece in answers.pieces():
            if piece.text:
                await response.write(_event(chunk(head, piece.choice, {"content": piece.text})))
            if piece.row is not None and piece.row.finish_reason != "error":
                await response.write(_event(chunk(head, piece.choice, {}, piece.row.finish_reason)))
        try:
            _check(answers.rows)
        except RequestError as error:  # the status line is sent already: the error is the last event
            span.record_failure(error.code or error.kind)
            await response.write(_event(error.document()))
        else:
            if body.stream_options and body.stream_options.include_usage:
                await response.write(_event(usage_chunk(head, _usage(answers.rows))))
            span.record_answer(head["id"], answers.rows)
        span.end()
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _encode(model: LanguageModel, body: ChatRequest) -> list[int]:
    try:
        prompt = model.encode_chat(body.conversation())
    except PromptError as error:
        raise RequestError(400, str(error), param="messages", code="invalid_value") from None
    if not prompt:
        raise RequestError(400, "the messages hold no token", param="messages", code="invalid_value")
    return prompt


def _check(rows: list[Row]) -> None:
    """Refuse to pass off a failed generation as an answer."""
    if any(row.finish_reason not in ("stop", "length") for row in rows):
        raise RequestError(500, "generation failed: send the request again", kind="internal_error", code="generation_failed")


def _usage(rows: list[Row]) -> dict[str, int]:
    return usage(len(rows[0].prompt), sum(len(row.tokens) for row in rows))


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _json(document: dict[str, Any], status: int = 200, version: str = "") -> web.Response:
    from aiohttp import web

    response = web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
    if version:
        response.headers[VERSION_HEADER] = version
    return response
