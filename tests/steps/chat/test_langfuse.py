from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from steps.chat.assemble import assemble
from steps.chat.langfuse import as_mapping, as_nanoseconds, parse_feedback, records_of
from steps.chat.span import Score, Unreadable


def read(row):
    return list(records_of(row, "f", 1, lambda trace_id: True))


def camel(row):
    names = {
        "trace_id": "traceId",
        "start_time": "startTime",
        "end_time": "endTime",
        "parent_observation_id": "parentObservationId",
        "user_id": "userId",
        "session_id": "sessionId",
        "provided_model_name": "model",
        "usage_details": "usageDetails",
    }
    told = {names.get(key, key): value for key, value in row.items()}
    return {**told, "startTime": "2026-08-01T10:00:00.000Z", "endTime": "2026-08-01T10:00:02.500Z"}


@pytest.mark.parametrize("shape", [dict, camel], ids=["export", "api"])
def test_generation_row_is_a_whole_trace(langfuse_row, shape):
    trace = assemble(read(shape(langfuse_row())))
    assert (trace.question, trace.contexts, trace.answer, trace.source) == ("What is A?", [], "1.", "langfuse")
    assert (trace.consent, trace.region, trace.confidentiality, trace.user_id, trace.session_id) == (
        "train",
        "eu-west-1",
        "internal",
        "u1",
        "s1",
    )
    assert (trace.latency_ms, trace.input_tokens, trace.output_tokens, trace.model, trace.environment) == (
        2500.0,
        12,
        3,
        "agent-model",
        "production",
    )
    assert trace.ts == datetime(2026, 8, 1, 10, tzinfo=UTC)


def test_retriever_agent_and_generation_rows_meet(langfuse_row):
    rows = [
        langfuse_row(
            id="o2",
            type="RETRIEVER",
            parent_observation_id="o0",
            input="q",
            output=json.dumps([{"page_content": "B is 2."}]),
            provided_model_name=None,
        ),
        langfuse_row(
            id="o1", parent_observation_id="o0", input=json.dumps([{"role": "user", "content": "B is 2. What is B?"}]), output="2."
        ),
        langfuse_row(id="o0", type="AGENT", input=json.dumps({"question": "What is B?"}), output=None, provided_model_name=None),
    ]
    trace = assemble([record for row in rows for record in read(row)])
    assert (trace.question, trace.contexts, trace.answer) == ("What is B?", ["B is 2."], "2.")


def test_legacy_trace_row_is_the_root(langfuse_row):
    row = {
        "id": "t-1",
        "timestamp": "2026-08-01 10:00:00",
        "name": "qa",
        "user_id": "u2",
        "metadata": '{"consent":"\\"eval\\""}',
        "input": '{"question":"Root?"}',
        "output": "x",
    }
    trace = assemble([*read(row), *read(langfuse_row(metadata={}, user_id=None))])
    assert (trace.question, trace.answer, trace.consent, trace.user_id) == ("Root?", "1.", "eval", "u2")


def test_metadata_of_spans_that_came_over_otlp(langfuse_row):
    metadata = {
        "attributes": json.dumps({"ctp.consent": "train"}),
        "resourceAttributes": json.dumps({"cloud.region": "eu-west-1"}),
        "scope": "{}",
    }
    trace = assemble(read(langfuse_row(metadata=metadata)))
    assert (trace.consent, trace.region) == ("train", "eu-west-1")


@pytest.mark.parametrize("value", [{"a": 1}, '{"a": 1}', [{"key": "a", "value": 1}], [("a", 1)]])
def test_map_columns(value):
    assert as_mapping(value) == {"a": 1}


@pytest.mark.parametrize("value", [None, "x", "[1]", 7, [], [1]])
def test_no_map_columns(value):
    assert as_mapping(value) == {}


def test_times():
    assert as_nanoseconds("1970-01-01 00:00:01.000001") == as_nanoseconds("1970-01-01T00:00:01.000001Z") == 1_000_001_000
    assert as_nanoseconds(datetime(1970, 1, 1, 0, 0, 1)) == 10**9
    assert as_nanoseconds(None) == as_nanoseconds("") == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (0.5, 0.5), (-1, 0.0), (5, 1.0), (True, 1.0), ("down", 0.0), ("👍", None), (None, None), (float("nan"), None)],
)
def test_feedback(value, expected):
    assert parse_feedback(value) == expected


def test_score_rows():
    score = {
        "id": "s",
        "timestamp": "2026-08-01 10:00:00",
        "trace_id": "t-1",
        "name": "user_feedback",
        "value": 1.0,
        "data_type": "NUMERIC",
    }
    assert isinstance(read(score)[0], Score)
    assert read({**score, "trace_id": None, "subject": {"kind": "trace", "id": "t-1"}})[0].trace_id == "t-1"
    assert read({**score, "name": "toxicity"}) == []
    assert read({**score, "trace_id": ""})[0].reason == "score-without-trace-id"
    assert read({**score, "value": None})[0].reason == "score-without-value"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"a": 1}, "unknown-record"),
        ({"id": "x", "trace_id": " "}, "bad-trace-id"),
        ({"id": "x", "trace_id": "t", "start_time": "noon"}, "malformed-row"),
        ({"id": 5, "trace_id": "t"}, "unknown-record"),
    ],
)
def test_rows_that_are_none(row, reason):
    assert read(row) == [Unreadable("f", 1, reason)]
