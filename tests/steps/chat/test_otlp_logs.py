from __future__ import annotations

import pytest

from steps.chat.otlp_logs import log_events_of
from steps.chat.span import LogEvent, Unreadable


def every(trace_id):
    return True


def text(key, value):
    return {"key": key, "value": {"stringValue": value}}


def document(*records):
    return {"resourceLogs": [{"resource": {"attributes": [text("service.name", "app")]}, "scopeLogs": [{"logRecords": list(records)}]}]}


EVENT = {"traceId": "AB" * 16, "spanId": "CD" * 8, "eventName": "gen_ai.client.inference.operation.details", "timeUnixNano": "9"}


def test_event_joins_its_span_by_both_ids():
    (event,) = log_events_of(document({**EVENT, "attributes": [text("gen_ai.input.messages", "[]")]}), "f", 3, every)
    assert event == LogEvent(
        "ab" * 16, "cd" * 8, EVENT["eventName"], {"gen_ai.input.messages": "[]"}, None, 9, {"service.name": "app"}, "f", 3
    )
    older = {key: value for key, value in EVENT.items() if key != "eventName"}
    (event,) = log_events_of(
        document({**older, "attributes": [text("event.name", "gen_ai.choice")], "body": {"stringValue": "x"}}), "f", 3, every
    )
    assert (event.name, event.body) == ("gen_ai.choice", "x")
    assert list(log_events_of(document(EVENT), "f", 3, lambda trace_id: False)) == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"body": {"stringValue": "a line of a log"}}, "other-signal"),
        ({**EVENT, "traceId": ""}, "log-without-trace-id"),
        ({**EVENT, "attributes": 5}, "malformed-log"),
        ({**EVENT, "timeUnixNano": "noon"}, "malformed-log"),
        (7, "malformed-log"),
    ],
)
def test_record_that_is_no_event(record, reason):
    assert list(log_events_of(document(record), "f", 3, every)) == [Unreadable("f", 3, reason)]
    if reason != "other-signal":
        assert isinstance(list(log_events_of(document(record, EVENT), "f", 3, every))[1], LogEvent)


@pytest.mark.parametrize("blocks", [[7], [{"scopeLogs": 7}], [{"resource": []}], 7, {}, None])
def test_malformed_document_never_raises(blocks):
    assert {record.reason for record in log_events_of({"resourceLogs": blocks}, "f", 1, every)} <= {"malformed-resource", "other-signal"}
