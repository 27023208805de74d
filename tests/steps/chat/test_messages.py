from __future__ import annotations

import json

import pytest

from steps.chat.messages import clean_text, finish_reason_of, indexed_messages, parse_answer, parse_messages

ASKED = [{"role": "user", "content": "Why?"}]


@pytest.mark.parametrize(
    "value",
    [
        "Why?",
        '"Why?"',
        ASKED,
        json.dumps(ASKED),
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


def test_tool_calls_stay_as_text_and_thinking_goes():
    value = [
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "tool_call", "name": "f", "arguments": {"a": 1}}]}
    ]
    content = parse_messages(value)[0]["content"]
    assert '"name":"f"' in content and "hm" not in content


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
    assert [m["content"] for m in indexed_messages(attributes, "gen_ai.prompt")] == [f"m{i}" for i in range(11)]
    nested = {"llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.contents.0.message_content.text": "x"}
    assert indexed_messages(nested, "llm.input_messages", "message.") == [{"role": "system", "content": "x"}]


def test_finish_reason_out_of_an_output():
    assert finish_reason_of('[{"role":"assistant","finish_reason":"length"}]') == "length"
    assert finish_reason_of({"choices": [{"finish_reason": "stop"}]}) == "stop"
    assert finish_reason_of("text") == ""


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
