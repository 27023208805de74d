from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from steps.chat.span import Span
from steps.serve.quality.otlp_receiver import OtlpReceiver

TRACE = "0af7651916cd43dd8448eb211c80319c"


def document(*names: str, trace_id: str = TRACE) -> dict[str, Any]:
    spans = [{"traceId": trace_id, "spanId": f"{number + 1:016x}", "name": name} for number, name in enumerate(names)]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def protobuf(*names: str) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number, name in enumerate(names):
        spans.add(trace_id=bytes.fromhex(TRACE), span_id=(number + 1).to_bytes(8, "big"), name=name)
    return message.SerializeToString()


def send(
    body: bytes, kind: str, *, encoding: str = "", most: int = 1 << 20, full: Callable[[], bool] = lambda: False, method: str = "POST"
) -> tuple[int, bytes, list[Span], dict[str, str]]:
    """(status, answer, spans taken, headers) of one request to a real server."""
    from aiohttp import ClientSession, web

    taken: list[Span] = []

    async def main() -> tuple[int, bytes, dict[str, str]]:
        runner = web.AppRunner(OtlpReceiver(taken.extend, full, most).app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            headers = {"Content-Type": kind} | ({"Content-Encoding": encoding} if encoding else {})
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
            async with ClientSession() as session, session.request(method, url, data=body, headers=headers) as response:
                return response.status, await response.read(), dict(response.headers)
        finally:
            await runner.cleanup()

    status, answer, headers = asyncio.run(main())
    return status, answer, taken, headers


def test_json_and_protobuf_plain_and_gzipped() -> None:
    for body, kind in ((json.dumps(document("a", "b")).encode(), "application/json"), (protobuf("a", "b"), "application/x-protobuf")):
        for sent, encoding in ((body, ""), (gzip.compress(body), "gzip")):
            status, answer, spans, headers = send(sent, kind, encoding=encoding)
            assert (status, [span.name for span in spans]) == (200, ["a", "b"])
            assert headers["Content-Type"].startswith(kind)
            assert answer == (b"{}" if kind == "application/json" else b"")


def test_what_cannot_be_read_is_told_and_not_asked_for_again() -> None:
    body = document("good")
    body["resourceSpans"] += document("bad", trace_id="xyz")["resourceSpans"]
    status, answer, spans, _ = send(json.dumps(body).encode(), "application/json")
    assert (status, [span.name for span in spans]) == (200, ["good"])
    assert json.loads(answer)["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "status"),
    [
        (b"rubbish", "application/json", "", 400),
        (b"[]", "application/json", "", 400),
        (b"\xff\xff rubbish", "application/x-protobuf", "", 400),
        (b"not gzip", "application/json", "gzip", 400),
        (b"{}", "text/plain", "", 415),
        (b"{}", "application/json", "", 200),
        (b"", "application/x-protobuf", "", 200),
    ],
)
def test_rubbish_is_refused_for_good(body: bytes, kind: str, encoding: str, status: int) -> None:
    """A collector retries 429, 502, 503 and 504 only."""
    assert send(body, kind, encoding=encoding)[::2] == (status, [])


def test_a_small_body_that_grows_is_bounded() -> None:
    bomb = gzip.compress(json.dumps(document(*["x" * 1000] * 2000)).encode())
    assert len(bomb) < 1 << 16
    assert send(bomb, "application/json", encoding="gzip", most=1 << 16)[::2] == (413, [])


def test_a_full_buffer_asks_for_a_retry() -> None:
    status, _, spans, headers = send(protobuf("a"), "application/x-protobuf", full=lambda: True)
    assert (status, spans, headers["Retry-After"]) == (503, [], "5")


def test_only_posts_of_traces() -> None:
    assert send(b"", "application/json", method="GET")[0] == 405
