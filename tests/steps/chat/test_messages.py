from __future__ import annotations

import json

import pytest

from steps.chat.indexed import indexed_messages
from steps.chat.messages import parse_conversation
from steps.chat.outputs import parse_output
from steps.chat.values import clean_text


def parse_messages(value):
    return parse_conversation(value).messages


def parse_answer(value):
    turn = parse_output(value).messages
    return turn[0]["content"] if turn else ""


ASKED = [{"role": "user", "content": "Why?"}]


@pytest.mark.parametrize(
    "value",
    [
        "Why?",
        '"Why?"',
        ASKED,
        json.dumps(ASKED),
        json.dumps(json.dumps(ASKED)),
        json.dumps(json.dumps({"contents": [{"role": "user", "parts": [{"text": "Why?"}]}]})),
        {"messages": ASKED},
        json.dumps({"messages": ASKED}),
        {"messages": json.dumps(ASKED)},
        [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}],
        [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}],
        [{"type": "human", "content": "Why?"}],
        [[{"type": "human", "content": "Why?"}]],
        [{"message": {"role": "user", "content": "Why?"}}],
        [{"id": ["langchain", "schema", "HumanMessage"], "kwargs": {"content": "Why?"}}],
        {"role": "user", "content": "Why?"},
        {"question": "Why?", "context": "x"},
        {"query": "Why?"},
        {"args": ["Why?"], "kwargs": {}},
        {"args": [], "kwargs": {"question": "Why?"}},
        {"input": {"question": "Why?"}},
    ],
)
def test_shapes_of_input(value):
    assert parse_messages(value) == ASKED


def test_roles_and_order_are_kept():
    value = [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": "a"},
        {"role": "model", "parts": [{"text": "b"}]},
        {"role": "user", "content": "c"},
    ]
    assert [(m["role"], m["content"]) for m in parse_messages(value)] == [
        ("system", "Be short."),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    "item",
    [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}]},
        {"role": "assistant", "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "f", "input": {"a": 1}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}}]},
        {"role": "model", "content": [{"toolRequest": {"ref": "c1", "name": "f", "input": {"a": 1}}}]},
        {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
        {"lc": 1, "id": ["langchain", "AIMessage"], "kwargs": {"content": "", "tool_calls": [{"name": "f", "args": {"a": 1}, "id": "c1"}]}},
        {"type": "ai", "data": {"content": "", "additional_kwargs": {"tool_calls": [CALL]}}},
    ],
)
def test_shapes_of_tool_calls(item):
    assert parse_messages([item]) == [{"role": "assistant", "content": "", "tool_calls": [CALL]}]


@pytest.mark.parametrize(
    "item",
    [
        {"role": "tool", "tool_call_id": "c1", "content": '{"b": 2}'},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"b": 2}}]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "result": '{"b": 2}'}]},
        {
            "role": "tool",
            "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "f", "output": {"type": "json", "value": {"b": 2}}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": '{"b": 2}'}]}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"json": {"b": 2}}], "status": "success"}}]},
        {"role": "tool", "content": [{"toolResponse": {"ref": "c1", "name": "f", "output": {"b": 2}}}]},
        {"type": "function_call_output", "call_id": "c1", "output": '{"b": 2}'},
        {"type": "tool", "content": '{"b": 2}', "tool_call_id": "c1"},
    ],
)
def test_shapes_of_tool_results(item):
    assert parse_messages([item]) == [{"role": "tool", "tool_call_id": "c1", "content": '{"b":2}'}]


def test_words_beside_a_result_follow_it():
    item = {
        "role": "user",
        "content": [{"type": "text", "text": "And now?"}, {"type": "tool_result", "tool_use_id": "c1", "content": "21"}],
    }
    assert [message["role"] for message in parse_messages([item])] == ["tool", "user"]


def test_reasoning_is_kept_apart():
    parsed = parse_messages([{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "Yes."}]}])
    assert parsed == [{"role": "assistant", "content": "Yes.", "reasoning_content": "hm"}]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image", "image": [137, 80, 78, 71]},
        {"type": "blob", "mime_type": "image/png", "content": "AAAA"},
        {"type": "file", "data": "AAAA", "mediaType": "image/png"},
        {"media": {"url": "https://example.org/a.png"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ],
)
def test_media_is_counted_and_its_bytes_are_not_kept(part):
    conversation = parse_conversation([{"role": "user", "content": [{"type": "text", "text": "Look"}, part]}])
    assert conversation.messages == [{"role": "user", "content": "Look"}]
    assert len(conversation.media) == 1
    assert "AAAA" not in json.dumps(conversation.media)


def test_an_unknown_role_or_part_is_a_problem_of_its_row():
    assert parse_conversation([{"role": "narrator", "content": "x"}]).problems == ["unknown-role"]
    assert parse_conversation([{"role": "user", "content": [{"type": "hologram", "x": 1}]}]).problems == ["unknown-part"]


@pytest.mark.parametrize("value", [None, "", [], "[]", {}, "null"])
def test_no_input(value):
    assert [m for m in parse_messages(value) if m["content"] not in ("{}", "")] == []


@pytest.mark.parametrize(
    "value",
    [
        "Bob.",
        '"Bob."',
        {"role": "assistant", "content": "Bob."},
        json.dumps({"role": "assistant", "content": "Bob."}),
        [{"role": "assistant", "parts": [{"type": "text", "content": "Bob."}], "finish_reason": "stop"}],
        {"choices": [{"message": {"role": "assistant", "content": "Bob."}, "finish_reason": "stop"}]},
        {"choices": [{"text": "Bob."}]},
        {"answer": "Bob."},
        {"output": {"text": "Bob."}},
        {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Bob."}]},
        {"generations": [[{"text": "Bob."}]]},
        [{"role": "user", "content": "?"}, {"type": "ai", "content": "Bob."}],
    ],
)
def test_shapes_of_output(value):
    assert parse_answer(value) == "Bob."


@pytest.mark.parametrize("value", [None, "", [], {}, {"content": ""}, {"answer": None}, [{"role": "user", "content": "x"}]])
def test_no_output(value):
    assert parse_answer(value) == ""


def test_structured_answer_is_its_json():
    assert parse_answer({"score": 3, "why": "x"}) == '{"score":3,"why":"x"}'


def test_indexed_messages_in_number_order():
    attributes = {f"gen_ai.prompt.{i}.{k}": v for i in range(11) for k, v in (("role", "user"), ("content", f"m{i}"))}
    assert [m["content"] for m in indexed_messages(attributes, "gen_ai.prompt", "user").messages] == [f"m{i}" for i in range(11)]
    nested = {"llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.contents.0.message_content.text": "x"}
    assert indexed_messages(nested, "llm.input_messages", "user").messages == [{"role": "system", "content": "x"}]


def test_finish_reason_out_of_an_output():
    assert parse_output('[{"role":"assistant","content":"x","finish_reason":"length"}]').finish_reason == "length"
    assert parse_output({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).finish_reason == "stop"
    assert parse_output("text").finish_reason == ""


def test_invisible_signs_and_lone_surrogates_go():
    assert clean_text("a\x00b\u200bc\ufeff\nd\ud800") == "abc\nd?"


def test_deep_nesting_ends():
    value = "x"
    for _ in range(500):
        value = {"input": value}
    assert parse_messages(value) == []
    for _ in range(500):
        value = [value]
    assert parse_answer(value) == ""


def test_an_answer_that_was_written_as_json_twice_is_read():
    assert parse_answer(json.dumps(json.dumps({"candidates": [{"content": {"parts": [{"text": "Because."}]}}]}))) == "Because."
    assert parse_answer(json.dumps("{not json")) == "{not json"


def test_a_result_under_the_name_of_its_tool_is_a_tool_message():
    call = {"id": "c1", "type": "function", "function": {"name": "stock_of", "arguments": '{"sku":"A"}'}}
    messages = [*ASKED, {"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "stock_of", "content": "7 left"}]
    conversation = parse_conversation(messages)
    assert conversation.messages[-1] == {"role": "tool", "tool_call_id": "", "content": "7 left"} and conversation.problems == []
    uncalled = parse_conversation([*ASKED, {"role": "stock_of", "content": "7 left"}])
    assert uncalled.messages[-1]["role"] == "user" and uncalled.problems == ["unknown-role"]


def test_calls_under_the_role_of_a_tool_are_an_assistant_message_without_an_empty_result():
    calls = [{"id": "c1", "type": "function", "function": {"name": "stock_of", "arguments": "{}"}}]
    messages = parse_messages([*ASKED, {"role": "tool", "content": json.dumps(calls)}, {"role": "tool", "content": "7 left"}])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"][0]["id"] == "c1"


def test_reasoning_under_the_class_name_of_a_dotnet_client_is_reasoning():
    parts = [
        {"type": "text", "content": "Seven."},
        {"type": "Microsoft.Extensions.AI.TextReasoningContent", "content": {"text": "", "protectedData": "AAAA"}},
        {"type": "Microsoft.Extensions.AI.TextReasoningContent", "content": {"text": "Counted the stock."}},
    ]
    turn = parse_output([{"role": "assistant", "parts": parts}])
    assert turn.problems == []
    assert turn.messages == [{"role": "assistant", "content": "Seven.", "reasoning_content": "Counted the stock."}]
