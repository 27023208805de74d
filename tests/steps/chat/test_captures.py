"""One conversation through every SDK gives the same rows, byte for byte: the acceptance of the normaliser."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

from steps.chat.assemble import assemble
from steps.chat.reading import read_object
from steps.chat.span import LogEvent, Score, Span
from steps.chat.trace import Trace
from steps.chat.values import compact_json
from steps.store.raw_objects import list_source

CAPTURES = Path(__file__).parents[2] / "data" / "captures"
SHARED = Path(os.environ.get("CTP_SHARED", Path(__file__).parents[4] / "shared")) / "data" / "sdk_traces"
SYSTEM = {"role": "system", "content": "You are the SYSTEMPROMPT weather agent."}
HISTORY = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, how can I help?"}]
QUESTION = {"role": "user", "content": "What is the weather in Seoul today?"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Seoul"}'}}
ASKED = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": '{"degrees":21,"sky":"sunny"}'}
ANSWER = {"role": "assistant", "content": "ANSWER: It is sunny, 21 degrees in Seoul."}
FIRST = compact_json([[SYSTEM, *HISTORY, QUESTION], ASKED])
SECOND = compact_json([[SYSTEM, *HISTORY, QUESTION, ASKED, RESULT], ANSWER])

# What these SDKs do not tell, or tell otherwise; see the table beside the files.
WITHOUT_HISTORY = {"openinference_smolagents", "openinference_crewai"}
OTHERWISE = {
    "google_adk": "the framework wraps results in an object",
    "mastra": "the next prompt names the call and its result only",
    "openlit_openai": "the call is left out of the next prompt",
    "semantic_kernel": "the framework puts the plugin's name before the tool's",
    "strands": "the object is asked for in a turn of its own",
}
LOST_IDS = {"langfuse_js4", "langfuse_js5", "langfuse_python3", "langfuse_python3_15"}  # of streamed calls
DROPPED_PICTURES = {
    *("litellm_v2", "openlit_openai", "strands", "strands_latest", "strands_attributes", "otel_openai_span", "otel_openai_event"),
}
NO_TOOLS = {
    "openinference_openai_agents",
    "otel_openai_event",
    "otel_openai_logs",
    "otel_openai_span",
    "semantic_kernel",
    "agent_framework",
}


def traces(path):
    """What each trace of a file becomes, in the order of their starts."""
    spans, logs = defaultdict(list), defaultdict(list)
    for item in list_source(str(path)).objects:
        for record in read_object(item):
            if isinstance(record, Span):
                spans[record.trace_id].append(record)
            elif isinstance(record, LogEvent):
                logs[(record.trace_id, record.span_id)].append(record)
            else:
                assert not isinstance(record, Score)
    for (trace_id, span_id), records in logs.items():
        for span in spans[trace_id]:
            if span.span_id == span_id:
                span.events += [(log.name, {**log.attributes, "body": log.body}) for log in records]
    return [assemble(group) for group in sorted(spans.values(), key=lambda group: min(span.start_ns for span in group))]


def agents(path):
    return [trace for trace in traces(path) if isinstance(trace, Trace) and len(trace.generations) == 2 and trace.consent == "train"]


STEMS = sorted(path.stem for path in CAPTURES.glob("*.jsonl"))


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem not in {*WITHOUT_HISTORY, *OTHERWISE}])
def test_the_same_agent_is_the_same_rows(stem):
    found = agents(CAPTURES / f"{stem}.jsonl")
    if stem.startswith("litellm_v1_alone"):
        pytest.skip("no trace of this file holds a whole agent")
    assert found, "no agent was read"
    streamed = found[1:] if stem in LOST_IDS else []
    for trace in found:
        if trace.question != QUESTION["content"] or "O" in trace.answer_source:
            continue
        calls = [compact_json([call.messages, call.output]) for call in trace.generations]
        if stem.startswith("strands") and calls[0] != FIRST:
            continue
        if trace in streamed:
            assert [message["role"] for message in trace.generations[0].messages] == ["system", "user", "assistant", "user"]
            assert calls[1] == SECOND
            continue
        assert calls == [FIRST, SECOND]
        assert [(call.usage.input, call.usage.output) for call in trace.generations] == [(40, 12)] * 2
        assert trace.generations[0].finish_reason == "tool_calls" and trace.generations[1].finish_reason in ("stop", "unknown")
        assert trace.answer == ANSWER["content"]
        assert trace.generations[1].problems == []
        assert trace.contexts[-1] == RESULT["content"]


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem not in NO_TOOLS | {"mastra"} and not stem.startswith("strands")])
def test_tools_are_read_where_the_sdk_tells_them(stem):
    for trace in agents(CAPTURES / f"{stem}.jsonl")[:1]:
        for call in trace.generations:
            names = {tool["function"]["name"] for tool in call.tools}
            assert "get_weather" in names
            function = next(tool["function"] for tool in call.tools if tool["function"]["name"] == "get_weather")
            assert list(function) == ["name", "description", "parameters"]
            if stem != "google_adk":
                assert function["parameters"]["properties"]["city"]["type"] == "string"


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem != "litellm_v1_alone"])
def test_claims_are_read_from_the_channel_of_the_sdk(stem):
    found = [trace for trace in traces(CAPTURES / f"{stem}.jsonl") if isinstance(trace, Trace)]
    # Two instrumentations write calls again into traces of their own, some without any claim.
    first = found[0]
    assert (first.consent, first.region, first.confidentiality) == ("train", "eu-west-1", "internal")
    assert all(trace.consent in ("train", "none") for trace in found)


def test_a_picture_is_no_text_row():
    for stem in STEMS:
        for trace in traces(CAPTURES / f"{stem}.jsonl"):
            if isinstance(trace, Trace) and any("picture" in message["content"] for message in trace.messages):
                answer = trace.answer_generation
                assert answer is not None and ("media" in answer.problems or stem in DROPPED_PICTURES), stem


@pytest.mark.skipif(not SHARED.exists(), reason="the shared SDK traces are not part of the repository: set CTP_SHARED to their folder")
def test_the_shared_traces_become_what_was_said():
    count = 0
    for path in sorted(SHARED.glob("*.jsonl")):
        for trace in traces(path):
            if isinstance(trace, str):
                assert trace == "no-generation" and "embed" in path.stem or trace == "no-input" and path.stem == "traceloop_openai"
                continue
            count += 1
            assert (trace.consent, trace.region, trace.confidentiality) == ("train", "eu-west-1", "internal")
            assert (trace.user_id, trace.session_id, trace.model) == ("user-1", "sess-1", "gpt-4o-2025")
            assert trace.question in ("What is the weather in Seoul today?", "What is in this picture?")
            assert trace.answer.strip() in (ANSWER["content"], '{"city":"Seoul","degrees":21}')
            assert all((call.usage.input, call.usage.output) == (40, 12) for call in trace.generations)
            assert all(set(call.problems) <= {"media"} for call in trace.generations)
            for call in trace.generations:
                for turn in (*call.messages, call.output):
                    assert all(json.loads(part["function"]["arguments"]) == {"city": "Seoul"} for part in turn.get("tool_calls", ()))
    assert count == 29
