"""OTLP over HTTP as the OpenTelemetry Collector's `otlphttp` exporter sends it: `POST /v1/traces`, JSON or protobuf, plain or gzip.

A body is bounded after decompression. What cannot be read is counted and told to the
sender as a partial success, and never sent again; only a full buffer asks for a retry.

Source:
    https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from steps.chat.otlp import spans_of
from steps.chat.otlp_protobuf import spans_of_protobuf
from steps.chat.span import Record, Span, Unreadable

if TYPE_CHECKING:
    from aiohttp import web

MAX_BODY_BYTES = 16 << 20
RETRY_AFTER_S = 5
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_URI = "otlp"


class OtlpReceiver:
    """Takes spans in and hands them over.

    Args:
        take: called in the event loop with the readable spans of one request.
        full: whether nothing more can be taken now.
        max_body_bytes: longest body, decompressed.
    """

    def __init__(self, take: Callable[[list[Span]], None], full: Callable[[], bool], max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._take, self._full, self._most = take, full, max_body_bytes
        self.unreadable = 0

    def app(self) -> web.Application:
        """The aiohttp application."""
        from aiohttp import web

        app = web.Application(client_max_size=self._most)
        app.router.add_post("/v1/traces", self.traces)
        return app

    async def traces(self, request: web.Request) -> web.Response:
        """One export request."""
        from aiohttp import web

        kind = request.content_type
        if kind not in (PROTOBUF, JSON):
            return web.Response(status=415, text=f"send {PROTOBUF} or {JSON}\n")
        if self._full():
            return web.Response(status=503, headers={"Retry-After": str(RETRY_AFTER_S)}, text="too many traces wait here\n")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text=f"a body may have {self._most} bytes, decompressed\n")
        except (web.RequestPayloadError, web.HTTPBadRequest):
            return web.Response(status=400, text="the body cannot be decompressed\n")
        records = await asyncio.to_thread(_records, kind, body)
        if records is None:
            return web.Response(status=400, text="the body is no ExportTraceServiceRequest\n")
        spans = [record for record in records if isinstance(record, Span)]
        lost = len(records) - len(spans)
        self.unreadable += lost
        self._take(spans)
        return web.Response(body=_answer(kind, lost), content_type=kind)


def _records(kind: str, body: bytes) -> list[Record] | None:
    """Spans and what is no span; None when the whole body is something else."""
    if kind == JSON:
        try:
            document: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(document, dict):
            return None
        return list(spans_of(document, _URI, 0, lambda _: True)) if document else []
    records = list(spans_of_protobuf(body, _URI, lambda _: True))
    broken = any(isinstance(record, Unreadable) and record.reason == "not-protobuf" for record in records)
    return None if broken else records


def _answer(kind: str, lost: int) -> bytes:
    """An ExportTraceServiceResponse that says how many spans nobody could read."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    message = "spans without a valid trace id or of a wrong shape" if lost else ""
    if kind == JSON:
        return orjson.dumps({"partialSuccess": {"rejectedSpans": str(lost), "errorMessage": message}} if lost else {})
    response = ExportTraceServiceResponse()
    if lost:
        response.partial_success.rejected_spans = lost
        response.partial_success.error_message = message
    return bytes(response.SerializeToString())
