from __future__ import annotations

import base64

import pytest

from steps.chat.otlp import attribute_value, parse_trace_id, spans_of
from steps.chat.otlp_protobuf import spans_of_protobuf
from steps.chat.span import Span, Unreadable

ID = "0AF7651916CD43DD8448EB211C80319C"


def every(trace_id):
    return True


@pytest.mark.parametrize("value", [ID, ID.lower(), base64.b64encode(bytes.fromhex(ID)).decode()])
def test_trace_ids(value):
    assert parse_trace_id(value) == ID.lower()


@pytest.mark.parametrize("value", ["", "0" * 32, "xyz", "ab" * 15, None, 7, "ab" * 17])
def test_no_trace_ids(value):
    assert parse_trace_id(value) == ""


def test_attribute_values():
    nested = {"arrayValue": {"values": [{"intValue": "7"}, {"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": False}}]}}, {}]}}
    assert attribute_value(nested) == [7, {"a": False}, None]
    assert attribute_value({"stringValue": ""}) == ""
    assert (attribute_value({"doubleValue": "Infinity"}), attribute_value({"bytesValue": "AAE="})) == (float("inf"), "AAE=")
    assert attribute_value({"intValue": str(10**40)}) == 10**40


def test_snake_case_and_camel_case_fields(otlp_document):
    document = otlp_document(
        {"spanId": "AA", "parentSpanId": "0000000000000000", "name": "n", "status": {"code": 2}}, resource={"cloud.region": "eu"}
    )
    (camel,) = spans_of(document, "f", 3, every)
    snake = {"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": "ab" * 16, "span_id": "aa", "start_time_unix_nano": 5}]}]}]}
    (other,) = spans_of(snake, "f", 1, every)
    assert (camel.span_id, camel.parent_id, camel.error, camel.resource, camel.offset) == ("aa", "", True, {"cloud.region": "eu"}, 3)
    assert (other.span_id, other.start_ns) == ("aa", 5)


@pytest.mark.parametrize("broken", [{"name": 5}, {"spanId": 9}, {"parentSpanId": [1]}, {"traceId": None}, {"traceId": "xyz"}])
def test_span_without_identity_is_reported_and_the_next_is_read(otlp_document, broken):
    document = otlp_document({"spanId": "01"}, {"spanId": "02"})
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= broken
    first, second = spans_of(document, "f", 4, every)
    assert first == Unreadable("f", 4, "bad-trace-id" if "traceId" in broken else "malformed-span")
    assert isinstance(second, Span)


@pytest.mark.parametrize(
    "broken",
    [
        {"attributes": [{"value": {}}, {"key": "consent", "value": {"stringValue": "none"}}]},
        {"attributes": [{"key": "consent", "value": {"stringValue": "none"}}, 7, {"key": [], "value": {}}, {"key": "a", "value": "b"}]},
        {"startTimeUnixNano": "soon"},
        {"endTimeUnixNano": float("nan")},
        {"events": [1, {"name": "e", "attributes": [{"key": "k", "value": {"intValue": "x"}}]}]},
        {"events": 5},
        {"status": "bad"},
        {"attributes": [{"key": 5, "value": {}}, {"key": "consent", "value": {"stringValue": "none"}}]},
        {"attributes": {"a": 1}},
    ],
)
def test_malformed_part_costs_that_part_alone(otlp_document, broken):
    document = otlp_document({"spanId": "01", "attributes": {"consent": "none"}})
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= broken
    span, report = spans_of(document, "f", 4, every)
    assert report == Unreadable("f", 4, "malformed-attribute")
    assert span.attributes.get("consent") == (None if broken.get("attributes") == {"a": 1} else "none")
    assert span.span_id == "01"


def test_malformed_resource_keeps_the_spans(otlp_document):
    document = otlp_document({"spanId": "01"}, resource={"consent": "none"})
    document["resourceSpans"][0]["resource"]["attributes"].append({"value": 1})
    document["resourceSpans"][0]["scopeSpans"].append(7)
    report, span = spans_of(document, "f", 4, every)
    assert (report.reason, span.span_id, span.resource) == ("malformed-resource", "01", {"consent": "none"})


@pytest.mark.parametrize(
    "document", [{"resourceSpans": {}}, {"resourceSpans": [7]}, {"resourceSpans": [{"scopeSpans": [1]}]}, {"resourceSpans": "x"}]
)
def test_malformed_document_is_reported(document):
    assert list(spans_of(document, "f", 1, every)) == [Unreadable("f", 1, "malformed-resource")]


def test_protobuf_and_its_damage():
    assert list(spans_of_protobuf(b"\x0a\xff\xff", "f", every)) == [Unreadable("f", 0, "not-protobuf")]
    assert list(spans_of_protobuf(b"", "f", every)) == []


def test_unwanted_traces_are_not_built(otlp_document):
    assert list(spans_of(otlp_document({"spanId": "01"}), "f", 1, lambda trace_id: False)) == []
