from __future__ import annotations

import itertools
import json

import pytest

from steps.chat.assemble import assemble
from steps.chat.span import Score
from steps.chat.trace import Trace

PROMPT = "Context:\n- Aurora listens on 8443.\nQuestion: Which port?"


@pytest.fixture
def world_spans(make_span, parts):
    """A trace as the app and the model server of one request leave it."""
    root = make_span(
        "invoke_agent",
        "01" * 8,
        start_s=0,
        end_s=3,
        resource={"service.name": "agent-app", "service.version": "9"},
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.input.messages": json.dumps([parts("user", "Which port?")]),
            "ctp.consent": "train",
            "ctp.region": "eu-west-1",
            "ctp.confidentiality": "internal",
            "user.id": "u7",
            "session.id": "s7",
        },
        events=[("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "user_feedback", "gen_ai.evaluation.score.value": 1})],
    )
    retrieve = make_span(
        "retrieve",
        "02" * 8,
        "01" * 8,
        start_s=0.1,
        end_s=0.2,
        attributes={
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.documents": json.dumps([{"id": "d1", "content": "Aurora listens on 8443."}]),
        },
    )
    chat = make_span(
        "chat agent-model",
        "03" * 8,
        "01" * 8,
        start_s=0.3,
        end_s=2.3,
        uri="file:///server.jsonl",
        resource={"service.name": "agent-model", "service.version": "2"},
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "agent-model",
            "gen_ai.usage.input_tokens": 20,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.input.messages": json.dumps([parts("system", "Be brief."), parts("user", PROMPT)]),
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.output.messages": json.dumps([parts("assistant", "8443.", finish_reason="stop")]),
        },
    )
    return [root, retrieve, chat]


def test_world_trace(world_spans):
    trace = assemble(world_spans)
    assert isinstance(trace, Trace)
    assert (trace.question, trace.contexts, trace.answer, trace.feedback) == ("Which port?", ["Aurora listens on 8443."], "8443.", 1.0)
    assert trace.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    assert (trace.consent, trace.region, trace.confidentiality, trace.user_id, trace.session_id) == (
        "train",
        "eu-west-1",
        "internal",
        "u7",
        "s7",
    )
    assert (trace.model, trace.model_version, trace.input_tokens, trace.output_tokens, trace.finish_reason) == (
        "agent-model",
        "2",
        20,
        3,
        "stop",
    )
    assert (trace.latency_ms, trace.source_uri, trace.status) == (2000.0, "file:///server.jsonl", "ok")


def test_order_and_redelivery_do_not_matter(world_spans):
    first = assemble(world_spans)
    for order in itertools.permutations(world_spans):
        assert assemble([*order, order[0], order[2]]) == first


@pytest.mark.parametrize(
    ("name", "messages", "answer"),
    [
        ("generate_title", [{"role": "user", "content": "Which port?"}], "Port of Aurora"),
        ("chat", [{"role": "user", "content": "Write a three word title"}], "Port of Aurora"),
        ("chat", [{"role": "system", "content": "Is this safe?"}, {"role": "user", "content": "8443."}], "SAFE"),
    ],
)
def test_a_later_call_beside_the_conversation_is_not_the_answer(world_spans, make_span, name, messages, answer):
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(messages), "gen_ai.output.messages": answer}
    later = make_span(name, "04", "01" * 8, start_s=2.4, end_s=2.9, attributes=attributes)
    trace = assemble([*world_spans, later])
    assert (trace.answer, trace.answer_source, len(trace.generations)) == ("8443.", "main-path", 2)


def test_the_call_whose_words_the_root_returns_is_the_answer(world_spans, make_span):
    prompt = json.dumps([{"role": "user", "content": "Which port?"}])
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": prompt, "gen_ai.output.messages": "It is 8443."}
    world_spans[0].attributes["gen_ai.output.messages"] = "It is 8443.\n"
    trace = assemble([*world_spans, make_span("chat", "04", "01" * 8, start_s=0.2, end_s=0.25, attributes=attributes)])
    assert (trace.answer, trace.answer_source) == ("It is 8443.", "root-match")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root, retrieve, chat: [root, retrieve], "no-generation"),
        (lambda root, retrieve, chat: [root, chat], "no-answer"),
        (lambda root, retrieve, chat: [root, _failed(chat)], "generation-error"),
    ],
)
def test_traces_without_an_answer_say_why(world_spans, change, reason):
    root, retrieve, chat = world_spans
    del chat.attributes["gen_ai.output.messages"]
    assert assemble(change(root, retrieve, chat)) == reason


def _failed(span):
    span.error = True
    return span


@pytest.mark.parametrize("start", [0, 1_000, 2**63])
def test_impossible_time_is_refused(make_span, start):
    span = make_span(start_ns=start, end_ns=start, attributes={"gen_ai.operation.name": "chat", "input.value": "q", "output.value": "a"})
    assert assemble([span]) == "bad-timestamp"


def test_enormous_text_is_refused(make_span):
    span = make_span(attributes={"gen_ai.operation.name": "chat", "input.value": "q" * 4_000_001, "output.value": "a"})
    assert assemble([span]) == "text-too-large"


VOCABULARIES = {
    "structured": {
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": PROMPT}]}],
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "8443."}]}],
    },
    "indexed": {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": PROMPT,
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "8443.",
    },
    "openinference": {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": PROMPT,
        "llm.output_messages.0.message.content": "8443.",
    },
    "openinference-values": {
        "openinference.span.kind": "LLM",
        "input.value": json.dumps({"messages": [{"role": "user", "content": PROMPT}]}),
        "output.value": json.dumps({"choices": [{"message": {"content": "8443."}}]}),
    },
    "langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": json.dumps([{"role": "user", "content": PROMPT}]),
        "langfuse.observation.output": "8443.",
    },
    "traceloop": {
        "llm.request.type": "chat",
        "traceloop.entity.input": json.dumps({"inputs": {"question": PROMPT}}),
        "traceloop.entity.output": json.dumps({"outputs": "8443."}),
    },
    "vercel": {
        "ai.model.id": "agent-model",
        "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]),
        "ai.response.text": "8443.",
    },
}


@pytest.mark.parametrize("name", VOCABULARIES)
def test_vocabularies_of_single_span_traces(make_span, name):
    trace = assemble([make_span(attributes={"gen_ai.request.model": "agent-model", **VOCABULARIES[name]})])
    assert isinstance(trace, Trace), trace
    # Nothing tells the app's words in the prompt from the user's own, and those are no evidence.
    assert (trace.question, trace.contexts, trace.answer, trace.model) == ("Which port?", [], "8443.", "agent-model")


@pytest.mark.parametrize(
    "events",
    [
        [
            ("gen_ai.system.message", {"content": "s"}),
            ("gen_ai.user.message", {"content": PROMPT}),
            ("gen_ai.choice", {"message": '{"role":"assistant","content":"8443."}'}),
        ],
        [
            ("gen_ai.user.message", {"gen_ai.event.content": json.dumps({"content": PROMPT})}),
            ("gen_ai.choice", {"gen_ai.event.content": '{"message":{"content":"8443."}}'}),
        ],
        [
            ("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps([{"role": "user", "content": PROMPT}])}),
            ("gen_ai.content.completion", {"gen_ai.completion": "8443."}),
        ],
        [
            (
                "gen_ai.client.inference.operation.details",
                {
                    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": PROMPT}]}]),
                    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"8443."}]}]',
                },
            )
        ],
    ],
)
def test_messages_told_as_events(make_span, events):
    trace = assemble([make_span(attributes={"gen_ai.operation.name": "chat"}, events=events)])
    assert (trace.question, trace.answer) == ("Which port?", "8443.")


def test_answer_of_the_agent_span_when_the_model_span_hides_its_own(world_spans):
    root, retrieve, chat = world_spans
    del chat.attributes["gen_ai.output.messages"]
    root.attributes["gen_ai.output.messages"] = "8443 it is."
    assert assemble([root, retrieve, chat]).answer == "8443 it is."


def test_version_said_outright_wins_and_the_apps_own_is_not_the_models(world_spans, make_span):
    root, retrieve, chat = world_spans
    chat.attributes["ctp.model_version"] = "7"
    assert assemble(world_spans).model_version == "7"
    del chat.attributes["ctp.model_version"]
    chat.resource = root.resource
    assert assemble(world_spans).model_version == ""
    alone = make_span(
        attributes={"gen_ai.operation.name": "chat", "input.value": "q", "output.value": "a"}, resource={"service.version": "4"}
    )
    assert assemble([alone]).model_version == "4"


def test_latest_score_is_the_feedback(world_spans):
    scores = [Score("ab" * 16, at, name="thumbs", data_type="NUMERIC", number=number) for at, number in ((5, 1.0), (9, 0.0))]
    assert assemble(world_spans, scores).feedback == 0.0


def test_experiments_and_judges_of_langfuse_are_no_traffic(world_spans):
    world_spans[2].attributes["langfuse.experiment.id"] = "e1"
    assert assemble(world_spans) == "experiment"
    del world_spans[2].attributes["langfuse.experiment.id"]
    world_spans[0].attributes["langfuse.environment"] = "langfuse-llm-as-a-judge"
    assert assemble(world_spans) == "langfuse-internal"
