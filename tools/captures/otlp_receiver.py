"""A small OTLP/HTTP receiver: every request with spans or log records becomes one line of OTLP JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tools.captures.post_handler import PostHandler

REQUESTS = {"/v1/traces": ExportTraceServiceRequest, "/v1/logs": ExportLogsServiceRequest}
IDS = ("traceId", "spanId", "parentSpanId")
LINES: list[str] = []


def write_ids_as_hex(value: Any) -> Any:
    """OTLP JSON has ids in hexadecimal, where protobuf's own JSON has base64."""
    if isinstance(value, list):
        return [write_ids_as_hex(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex() if key in IDS and isinstance(item, str) else write_ids_as_hex(item) for key, item in value.items()
    }


def read_request(path: str, kind: str, data: bytes) -> dict[str, Any]:
    """The request as OTLP JSON; what came as JSON stays as it came."""
    if "json" in kind:
        return json.loads(data)
    message = REQUESTS[path]()
    message.ParseFromString(data)
    return write_ids_as_hex(MessageToDict(message, use_integers_for_enums=True))


class Receiver(PostHandler):
    """One request of an exporter; metrics and everything else are taken and dropped."""

    def do_POST(self) -> None:
        """Keep the line and accept."""
        kind = self.headers.get("Content-Type", "")
        path, data = "/v1/" + self.path.rpartition("/v1/")[2], self.read_body()
        if path in REQUESTS:
            LINES.append(json.dumps(read_request(path, kind, data), ensure_ascii=False, separators=(",", ":")))
        self.send(kind, b"{}" if "json" in kind else b"")
