"""A Langfuse server for tests: the two lists as its API documents them, with late arrivals and every kind of failure."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-test", "LANGFUSE_SECRET_KEY": "sk-lf-test"}
PATHS = {"/api/public/v2/observations": "observations", "/api/public/v3/scores": "scores"}
TIMES = {"observations": ("startTime", "fromStartTime", "toStartTime", 1000), "scores": ("timestamp", "fromTimestamp", "toTimestamp", 100)}
GROUPS = {
    "core": ("id", "traceId", "startTime", "endTime", "projectId", "parentObservationId", "type"),
    "basic": ("name", "level", "environment", "userId", "sessionId"),
    "io": ("input", "output"),
    "metadata": ("metadata",),
    "model": ("model", "modelParameters"),
    "details": ("comment", "metadata"),
    "subject": ("subject",),
    "annotation": ("authorUserId", "queueId"),
}
SCORE_CORE = ("id", "projectId", "name", "value", "dataType", "source", "timestamp", "environment", "createdAt", "updatedAt")
FAULTS = ("429", "500", "503", "reset", "cut", "html")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass
class Langfuse:
    """State of the server.

    Attributes:
        rows: (arrival, kind, row) in any order.
        now: arrivals up to here are shown.
        largest_page: rows of a page at most, whatever is asked for.
        fault_rate: share of requests that fail.
        log: parameters of each request that was answered with a page.
    """

    rows: list[tuple[datetime, str, dict[str, Any]]] = field(default_factory=list)
    now: datetime = datetime(2026, 11, 28, tzinfo=UTC)
    largest_page: int = 1000
    fault_rate: float = 0.0
    absent: frozenset[str] = frozenset()
    status: int = 0
    keys: dict[str, str] = field(default_factory=lambda: dict(KEYS))
    refuse_cursors: int = 0
    same_cursor: bool = False
    draw: random.Random = field(default_factory=lambda: random.Random(0))
    log: list[dict[str, str]] = field(default_factory=list)
    requests: int = 0
    before_page: Any = None

    def page(self, kind: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        time_field, first, last, most = TIMES[kind]
        limit = int(query.get("limit", "50"))
        if limit > most or limit < 1:
            return 400, {"message": f"limit must be 1 to {most}"}
        if "cursor" in query and self.refuse_cursors:
            self.refuse_cursors -= 1
            return 400, {"message": "Invalid cursor format"}
        if self.before_page:
            self.before_page(kind, query)

        def position(row: dict[str, Any]) -> tuple[str, int, str]:
            return row[time_field], zlib.crc32(str(row.get("traceId", "")).encode()), row["id"]

        shown = [row for arrival, row_kind, row in self.rows if row_kind == kind and arrival <= self.now]
        shown = [row for row in shown if instant(query[first]) <= instant(row[time_field]) < instant(query[last])]
        shown.sort(key=position, reverse=True)
        if "cursor" in query:
            after = json.loads(base64.urlsafe_b64decode(query["cursor"]))
            shown = [row for row in shown if list(position(row)) < after]
        limit = min(limit, self.largest_page)
        meta = {}
        if len(shown) > limit:
            last_position = position(shown[limit - 1])
            meta = {"cursor": base64.urlsafe_b64encode(json.dumps(last_position).encode()).decode()}
        if self.same_cursor and "cursor" in query:
            meta = {"cursor": query["cursor"]}
        self.log.append({"kind": kind, **query})
        return 200, {"data": [self._shape(kind, row, query) for row in shown[:limit]], "meta": meta}

    def _shape(self, kind: str, row: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        fields = query.get("fields", "core,basic").split(",")
        names = set(SCORE_CORE if kind == "scores" else GROUPS["core"])
        names |= {name for group in fields for name in GROUPS.get(group, ())}
        shape = {name: value for name, value in row.items() if name in names}
        if "metadata" in shape and kind == "observations":
            whole = set(query.get("expandMetadata", "").split(","))
            shape["metadata"] = {key: value if key in whole else str(value)[:200] for key, value in shape["metadata"].items()}
        return shape


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    langfuse: Langfuse

    def log_message(self, *_: Any) -> None:
        pass

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        world = self.langfuse
        world.requests += 1
        parts = urlsplit(self.path)
        kind = PATHS.get(parts.path, "")
        expected = base64.b64encode(f"{world.keys['LANGFUSE_PUBLIC_KEY']}:{world.keys['LANGFUSE_SECRET_KEY']}".encode()).decode()
        if self.headers.get("authorization") != f"Basic {expected}":
            self._send(401, b"{}")
            return
        if not kind or kind in world.absent:
            self._send(404, b'{"message": "only available in a v4 write mode"}')
            return
        if world.status:
            self._send(world.status, b"{}", location="http://127.0.0.1:1/elsewhere")
            return
        fault = world.draw.choice(FAULTS) if world.draw.random() < world.fault_rate else ""
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if fault == "html":
            self._send(200, b"<html>busy</html>")
            return
        if fault.isdigit():
            self._send(int(fault), b"{}", **({"retry_after": "3"} if fault == "429" else {}))
            return
        status, document = world.page(kind, {key: values[-1] for key, values in parse_qs(parts.query).items()})
        body = json.dumps(document).encode()
        if fault == "cut":
            self.send_response(200)
            self.send_header("content-length", str(len(body) + 10))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True
            world.log.pop()
            return
        self._send(status, body)


@contextlib.contextmanager
def serve(langfuse: Langfuse) -> Iterator[str]:
    """Yield the source URI of a server that runs while the block does."""
    handler = type("Handler", (_Handler,), {"langfuse": langfuse})

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"langfuse://127.0.0.1:{server.server_port}/shop"
        finally:
            server.shutdown()
            thread.join()


def text_of(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def observation(moment: datetime, own_id: str, trace: str = "t", **more: Any) -> dict[str, Any]:
    return {
        "id": own_id,
        "traceId": trace,
        "startTime": text_of(moment),
        "endTime": text_of(moment),
        "projectId": "p1",
        "parentObservationId": None,
        "type": "GENERATION",
        "name": "chat",
        "environment": "default",
        "model": "agent-model",
        "input": json.dumps([{"role": "user", "content": f"question {own_id}"}]),
        "output": json.dumps({"role": "assistant", "content": f"answer {own_id}"}),
        "metadata": {"consent": "train"},
        **more,
    }


def score(moment: datetime, own_id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": own_id,
        "projectId": "p1",
        "name": "user_feedback",
        "value": 1,
        "dataType": "NUMERIC",
        "source": "API",
        "timestamp": text_of(moment),
        "environment": "default",
        "createdAt": text_of(moment),
        "updatedAt": text_of(moment),
        "subject": {"kind": "trace", "id": "t"},
        "authorUserId": None,
        "queueId": None,
        **more,
    }
