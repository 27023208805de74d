from __future__ import annotations

import json
import time

import pytest

from steps.chat.contexts import find_contexts, parse_documents, split_prompt


@pytest.mark.parametrize(
    "value",
    [
        ["a", "b"],
        json.dumps(["a", "b"]),
        [{"id": "1", "content": "a"}, {"id": "2", "content": "b"}],
        [{"page_content": "a"}, {"text": "b"}],
        {"documents": [{"content": "a"}, {"document": {"content": "b"}}]},
        {"results": [{"text": "a"}, {"chunk": "b"}]},
        [{"document.content": "a"}, "b"],
    ],
)
def test_shapes_of_documents(value):
    assert parse_documents(value) == ["a", "b"]


@pytest.mark.parametrize(
    ("prompt", "contexts", "question"),
    [
        ("Context:\n- a\n- b\nQuestion: q?", ["a", "b"], "q?"),
        ("Context:\n- a\n  more\n- b\n\nQuestion: q?\nAnswer:", ["a\n  more", "b"], "q?"),
        ("Contexts: one passage\nQuestion: q?", ["one passage"], "q?"),
        ("Knowledge: k1. k2.\nQuestion: q?", ["k1. k2."], "q?"),
        ("Question: q?\nContext:\n1. a\n2. b", ["a", "b"], "q?"),
        ("<context>\n- a\n- b\n</context>\nq?", ["a", "b"], "q?"),
        ("<document>a</document><document>b</document>\nQuestion: q?", ["a", "b"], "q?"),
        ("## Context:\n[1] a\n[2] b\n## Question: q?", ["a", "b"], "q?"),
        ("참고 자료:\n- 가\n질문: 무엇?", ["가"], "무엇?"),
        ("q? with context: inline", [], "q? with context: inline"),
        ("Question: q?", [], "q?"),
        ("plain", [], "plain"),
    ],
)
def test_sections_of_a_prompt(prompt, contexts, question):
    assert split_prompt(prompt) == (contexts, question)


def test_retriever_spans_win_over_attributes_and_prompt(make_span):
    prompt = [{"role": "user", "content": "Context:\n- p\nQuestion: q"}]
    retriever = make_span(
        "retrieve", "02", attributes={"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": '[{"id":"1","content":"r"}]'}
    )
    attribute = make_span("chat", "03", attributes={"metadata.contexts": '["m"]'})
    assert find_contexts([retriever, attribute], prompt, "q") == ["r"]
    assert find_contexts([attribute], prompt, "q") == ["m"]
    assert find_contexts([], prompt, "q") == ["p"]
    assert find_contexts([], [{"role": "system", "content": "Context:\n- s"}, {"role": "user", "content": "q"}], None) == ["s"]


@pytest.mark.parametrize("typed", ["Context:\n- p\nQuestion: q", "<context>p</context> q", "Background: p\n\nQuestion: q"])
@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_user_typed_is_no_evidence(typed, is_known):
    assert find_contexts([], [{"role": "user", "content": typed}], typed if is_known else None) == []


def test_results_of_tools_are_evidence(make_span):
    call = {"id": "c", "type": "function", "function": {"name": "warmth", "arguments": "{}"}}
    prompt = [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "21 C"}]
    tool = make_span("warmth", "05", attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": "21 C"})
    assert find_contexts([], prompt, None) == find_contexts([tool], [], None) == find_contexts([tool], prompt, None) == ["21 C"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": [{"id": "1", "content": "a"}, {"content": "b"}]},
        {
            "openinference.span.kind": "RETRIEVER",
            "retrieval.documents.1.document.content": "b",
            "retrieval.documents.0.document.content": "a",
        },
        {"langfuse.observation.type": "retriever", "langfuse.observation.output": '["a","b"]'},
        {"langfuse.observation.input": '{"question":"q","context":["a","b"]}'},
        {"input.value": {"question": "q", "knowledge": ["a", "b"]}},
        {"langfuse.trace.metadata.retrieved_contexts": '["a","b"]'},
        {"metadata": '{"documents":[{"text":"a"},{"text":"b"}]}'},
    ],
)
def test_where_contexts_stand(make_span, attributes):
    assert find_contexts([make_span(attributes=attributes)], [], None) == ["a", "b"]


def test_passages_of_several_retrievers_come_once_in_order(make_span):
    spans = [
        make_span(span_id=str(i), attributes={"gen_ai.retrieval.documents": json.dumps(texts)})
        for i, texts in enumerate((["a", "b"], ["b", "c"]))
    ]
    assert find_contexts(spans, [], None) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "hostile",
    ["<context>" * 50_000, "<context></" * 20_000, "\n" * 300_000, "\nContext" * 50_000, "Question:\n \n" * 30_000, " " * 300_000 + "x"],
)
def test_hostile_prompts_take_linear_time(hostile):
    started = time.process_time()
    split_prompt(hostile)
    split_prompt("Context:\n- a\n" + hostile)
    assert time.process_time() - started < 2
