from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from steps.chat.assemble import assemble, feedback_of
from steps.chat.langfuse import as_nanoseconds, records_of
from steps.chat.span import Unreadable
from steps.chat.values import as_object
from steps.contract.config.feedback import FeedbackConfig

T0 = 1_785_578_400 * 10**9


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
    assert as_object(value) == {"a": 1}


@pytest.mark.parametrize("value", [None, "x", "[1]", 7, [], [1]])
def test_no_map_columns(value):
    assert as_object(value) == {}


def test_times():
    assert as_nanoseconds("1970-01-01 00:00:01.000001") == as_nanoseconds("1970-01-01T00:00:01.000001Z") == 1_000_001_000
    assert as_nanoseconds(datetime(1970, 1, 1, 0, 0, 1)) == 10**9
    for number in (1_780_000_000, 1_780_000_000_000, 1_780_000_000_000_000, 1_780_000_000_000_000_000):
        assert as_nanoseconds(number) == 1_780_000_000 * 10**9
    for odd in (None, "", "noon", [], {}, True, float("nan"), float("inf"), 10**40, "2026-13-01"):
        assert as_nanoseconds(odd) == 0
    assert as_nanoseconds("1969-12-31T23:59:59Z") == -(10**9)


def verdict(score):
    return feedback_of([], [score], FeedbackConfig())


def test_score_rows():
    score = {
        "id": "s",
        "timestamp": "2026-08-01 10:00:00",
        "trace_id": "t-1",
        "name": "user_feedback",
        "value": 1.0,
        "data_type": "NUMERIC",
    }
    (whole,) = read({**score, "observation_id": "o1", "source": "api", "author_user_id": "a", "comment": "x"})
    assert (verdict(whole), whole.number, whole.score_id, whole.name, whole.data_type) == (1.0, 1.0, "s", "user_feedback", "NUMERIC")
    assert (whole.observation_id, whole.source, whole.author, whole.has_comment, whole.at_ns) == ("o1", "API", "a", True, T0)
    assert read({**score, "trace_id": None, "subject": {"kind": "trace", "id": "t-1"}})[0].trace_id == "t-1"
    (of_session,) = read({**score, "trace_id": None, "subject": {"kind": "session", "id": "s-1"}})
    assert (of_session.trace_id, of_session.session_id) == ("", "s-1")
    (of_span,) = read({**score, "trace_id": None, "subject": {"kind": "observation", "id": "o", "traceId": "t-1"}})
    assert (of_span.trace_id, of_span.observation_id) == ("t-1", "o")
    assert verdict(read({**score, "name": "toxicity"})[0]) is None
    assert read({**score, "trace_id": ""})[0].reason == "score-without-trace-id"
    assert read({**score, "value": None})[0].reason == "score-without-value"


@pytest.mark.parametrize(
    ("data_type", "value", "text", "expected", "number"),
    [
        ("CATEGORICAL", 1, "thumbs_down", 0.0, None),
        ("CATEGORICAL", 0, "thumbs_up", 1.0, None),
        ("CATEGORICAL", "thumbs_up", None, 1.0, None),
        ("CATEGORICAL", 1, "meh", None, None),
        ("TEXT", 0, "good", None, None),
        ("CORRECTION", 0, "yes", None, None),
        ("BOOLEAN", 0, "False", 0.0, 0.0),
        ("BOOLEAN", True, None, 1.0, 1.0),
        ("BOOLEAN", 7, None, None, 7.0),
        ("NUMERIC", "0.5", None, 0.5, 0.5),
        ("", None, "up", 1.0, None),
    ],
)
def test_verdict_is_read_from_the_field_that_the_type_means(data_type, value, text, expected, number):
    row = {"trace_id": "t", "name": "user_feedback", "value": value, "string_value": text, "data_type": data_type}
    (score,) = read(row)
    assert (verdict(score), score.number) == (expected, number)
    assert score.label == (text or (value if isinstance(value, str) and data_type == "CATEGORICAL" else ""))


def test_score_of_an_api_trace_and_its_observations_join_it(langfuse_row):
    inner = {key: value for key, value in camel(langfuse_row()).items() if key not in ("traceId",)}
    trace = {
        "id": "t-9",
        "timestamp": "2026-08-01T10:00:00Z",
        "userId": "u",
        "observations": [inner, "o7", {**inner, "id": [1]}, {**inner, "id": "o2"}],
        "scores": [{"id": "s", "name": "thumbs", "value": 1, "dataType": "NUMERIC"}],
    }
    for shape in (
        trace,
        {"trace": {key: trace[key] for key in ("id", "timestamp")}, "observations": trace["observations"], "scores": trace["scores"]},
    ):
        root, first, odd, second, score = read(shape)
        assert (root.span_id, first.span_id, second.span_id) == ("", "o1", "o2")
        assert {record.trace_id for record in (root, first, second, score)} == {"t-9"}
        assert odd.reason == "bad-span-id"
    assert [record.span_id for record in read({**trace, "observations": ["o1", "o2"], "scores": ["s"]})] == [""]


def test_row_of_a_trace_that_repeats_the_attributes_of_its_root_is_no_second_call(langfuse_row):
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.input_messages.0.message.content": "What is A?"}
    inner = camel(langfuse_row(metadata={"attributes": attributes}))
    row = {"id": inner["traceId"], "timestamp": inner["startTime"], "input": json.dumps(inner["input"]), "output": inner["output"]}
    trace = assemble(read({**row, "metadata": {"attributes": attributes}, "observations": [inner]}))
    assert [generation.span_id for generation in trace.generations] == [inner["id"]]
    assert trace.question == "What is A?"


def test_every_column_has_the_name_of_the_attribute(langfuse_row):
    row = langfuse_row(
        level="ERROR",
        model_parameters='{"temperature":0}',
        tool_definitions=[("get_weather", "{}")],
        tool_calls=["{}"],
        tool_call_names=["get_weather"],
        metadata={
            "langgraph_node": "PLANNER",
            "requester": {"consent": "train", "deep": {"x": 1}},
            "attributes.ai.model.id": "m",
            "attributes.langfuse.observation.type": "span",
            "resourceAttributes.service.name": "app",
            "scope.name": "ai",
        },
        usage_details='{"input": "12", "output": 3, "odd": "x"}',
        is_root_observation=True,
    )
    (span,) = read(row)
    a = span.attributes
    assert a["langfuse.observation.type"] == "generation" and span.error
    assert a["langfuse.observation.model.parameters"] == '{"temperature":0}'
    assert a["langfuse.observation.tool_definitions"] == [("get_weather", "{}")]
    assert (a["langfuse.observation.tool_calls"], a["langfuse.observation.tool_call_names"]) == (["{}"], ["get_weather"])
    assert a["langfuse.observation.usage_details"] == {"input": 12, "output": 3}
    assert a["langfuse.internal.is_app_root"] is True
    assert a["langfuse.observation.metadata.langgraph_node"] == "PLANNER"
    assert a["langfuse.observation.metadata.requester.consent"] == "train"
    assert a["langfuse.observation.metadata.requester.deep.x"] == 1
    assert (a["ai.model.id"], span.resource) == ("m", {"service.name": "app"})
    assert not any("scope" in key or "attributes." in key for key in a)


def test_usage_of_older_api_objects(langfuse_row):
    row = {key: value for key, value in langfuse_row().items() if key != "usage_details"}
    assert read({**row, "usage": {"input": 7, "output": 2}})[0].attributes["langfuse.observation.usage_details"] == {
        "input": 7,
        "output": 2,
    }
    assert read({**row, "promptTokens": 7})[0].attributes["langfuse.observation.usage_details"] == {"input": 7}


ODD = (
    None,
    "",
    "x",
    "\ud800",
    0,
    -1,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    True,
    [],
    {},
    [[]],
    [1, [2]],
    {"a": [None]},
    [{"key": [], "value": 1}],
)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_any_shape_of_any_field_is_a_record(langfuse_row, odd):
    score = {
        "id": "s",
        "trace_id": "t",
        "name": "thumbs",
        "value": 1,
        "data_type": "NUMERIC",
        "subject": {},
        "timestamp": 5,
        "string_value": "x",
    }
    trace = {"id": "t", "timestamp": "2026-08-01", "observations": [langfuse_row()], "scores": [score], "metadata": {}, "trace": {}}
    for row in (langfuse_row(latency=1, model_parameters={}, usage={}, level="x"), score, trace):
        for key in row:
            records = read({**row, key: odd})
            assert records or not isinstance(odd, str), key
            assert "malformed-row" not in {getattr(record, "reason", "") for record in records}, key


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"a": 1}, "unknown-record"),
        ({"id": "x", "trace_id": " "}, "bad-trace-id"),
        ({"id": "x", "trace_id": "t" * 257}, "bad-trace-id"),
        ({"id": 5, "trace_id": "t"}, "bad-span-id"),
        ({"id": "x", "trace_id": 5}, "bad-trace-id"),
    ],
)
def test_rows_that_are_none(row, reason):
    assert read(row) == [Unreadable("f", 1, reason)]
