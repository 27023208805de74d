from __future__ import annotations

import json
import time

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from steps.chat.otlp import spans_of
from steps.chat.otlp_protobuf import records_of_protobuf
from steps.chat.span import LogEvent, Span, Unreadable


def every(trace_id):
    return True


def packed(document, kind=ExportTraceServiceRequest):
    """A message from JSON, whose ids are base64 there and hex in OTLP."""

    def mend(value):
        if isinstance(value, dict):
            import base64

            ids = ("traceId", "spanId", "parentSpanId")
            return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in ids else mend(v) for k, v in value.items()}
        return [mend(item) for item in value] if isinstance(value, list) else value

    return json_format.ParseDict(mend(json.loads(json.dumps(document))), kind()).SerializeToString()


@pytest.fixture
def document(otlp_document):
    spans = [
        {
            "traceId": f"{i:032x}",
            "spanId": f"{i:016x}",
            "parentSpanId": "00" * 7 + "07",
            "name": "chat",
            "status": {"code": 2},
            "attributes": {"text": "x" * 50, "n": 7, "f": 0.5, "b": True, "list": ["a", 1], "map": {"k": {"deep": [1]}}},
            "events": [{"name": "e", "attributes": [{"key": "k", "value": {"stringValue": "v"}}]}],
        }
        for i in range(1, 9)
    ]
    return otlp_document(*spans, resource={"service.name": "app"})


def test_protobuf_gives_what_json_gives(document):
    expected = list(spans_of(document, "f", 1, every))
    spans = list(records_of_protobuf(packed(document), "f", every, 1))
    assert spans == expected
    assert [span.offset for span in records_of_protobuf(packed(document), "f", every)] == list(range(1, 9))
    assert [span.trace_id for span in records_of_protobuf(packed(document), "f", lambda i: i.endswith("3"))] == [f"{3:032x}"]


def test_bytes_values_are_base64_as_in_json():
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    pair = span.attributes.add(key="b")
    pair.value.bytes_value = b"\x00\x01"
    span.attributes.add(key="b").value.string_value = "second"
    span.attributes.add(key="none")
    (record,) = records_of_protobuf(message.SerializeToString(), "f", every)
    assert record.attributes == {"b": "AAE=", "none": None}


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_message_cut_short_keeps_the_spans_before(document, share):
    data = packed(document)
    records = list(records_of_protobuf(data[: int(len(data) * share)], "f", every))
    spans = [record for record in records if isinstance(record, Span)]
    assert len(spans) >= int(8 * share) - 1
    assert spans == list(records_of_protobuf(data, "f", every))[: len(spans)]
    assert {record.reason for record in records if isinstance(record, Unreadable)} <= {"truncated", "not-protobuf"}
    assert isinstance(records[-1], Unreadable)


def test_broken_span_costs_itself(document):
    data = packed(document)
    place = data.index(b"chat", data.index(bytes.fromhex(f"{4:032x}")))
    broken = data[:place] + b"\xff\xfe\xfd\xfc" + data[place + 4 :]
    records = list(records_of_protobuf(broken, "f", every))
    assert [getattr(record, "reason", "span") for record in records] == ["span"] * 3 + ["malformed-span"] + ["span"] * 4


def test_empty_spans_by_the_hundred_thousand_take_little():
    scope = b"\x12\x00" * 100_000
    block = b"\x12" + varint(len(scope)) + scope
    data = b"\x0a" + varint(len(block)) + block
    start = time.process_time()
    count = sum(record.reason == "bad-trace-id" for record in records_of_protobuf(data, "f", every))
    assert count == 100_000
    assert time.process_time() - start < 20


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def test_logs_and_metrics_are_told_apart():
    logs = {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]},
                "scopeLogs": [
                    {
                        "logRecords": [
                            {"timeUnixNano": "5", "body": {"stringValue": "plain log"}},
                            {
                                "timeUnixNano": "7",
                                "eventName": "gen_ai.user.message",
                                "traceId": "ab" * 16,
                                "spanId": "cd" * 8,
                                "body": {"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "hi"}}]}},
                            },
                        ]
                    }
                ],
            }
        ]
    }
    (event,) = records_of_protobuf(packed(logs, ExportLogsServiceRequest), "f", every)
    assert event == LogEvent("ab" * 16, "cd" * 8, "gen_ai.user.message", {}, {"content": "hi"}, 7, {"service.name": "app"}, "f", 2)
    del logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][1]
    assert list(records_of_protobuf(packed(logs, ExportLogsServiceRequest), "f", every)) == [Unreadable("f", 0, "other-signal")]
    point = {"asInt": "1", "timeUnixNano": "5"}
    for metric in (
        {"name": "a", "gauge": {"dataPoints": [point]}},
        {"name": "b", "histogram": {"dataPoints": [{"count": "1", "timeUnixNano": "5"}]}},
        {"name": "sixteen.letters.", "description": "eight888", "sum": {"dataPoints": [point]}},
    ):
        metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
        found = list(records_of_protobuf(packed(metrics, ExportMetricsServiceRequest), "f", every))
        assert found == [Unreadable("f", 0, "other-signal")], metric
