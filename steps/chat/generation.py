"""One model call as every instrumentation tells it, in OpenAI chat form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steps.chat.indexed import indexed_messages
from steps.chat.messages import Conversation, Message, parse_conversation
from steps.chat.outputs import parse_output
from steps.chat.span import Span
from steps.chat.tools import parse_tools, tools_of
from steps.chat.usage import Usage, first_word, normalise_finish, parameters_of, usage_of
from steps.chat.values import as_object, as_word, decode_json

_REQUESTED = ("gen_ai.request.model", "ai.model.id", "langfuse.observation.metadata.ls_model_name", "llm.request.model")
_ANSWERED = (
    *("gen_ai.response.model", "ai.response.model", "llm.response.model", "langfuse.observation.model.name", "llm.model_name"),
    *("gen_ai.request.model", "ai.model.id", "model", "llm.model"),
)
_RESPONSE_IDS = ("gen_ai.response.id", "ai.response.id", "llm.response.id", "langfuse.observation.metadata.response_id")
_FINISH_KEYS = (
    *("gen_ai.response.finish_reasons", "ai.response.finishReason", "llm.finish_reason", "gen_ai.completion.0.finish_reason"),
    *("llm.response.finish_reason", "llm.response.stop_reason", "langfuse.observation.metadata.finish_reason"),
)
_AGENTS = (
    *("gen_ai.agent.name", "agent.name", "agent_name", "ai.telemetry.functionId", "langfuse.observation.metadata.langgraph_node"),
    *("graph.node.id", "traceloop.entity.name"),
)
_INPUT_VALUES = (
    *("mlflow.spanInputs", "lk.chat_ctx", "lk.input_text", "flue.turn.input", "gcp.vertex.agent.llm_request", "genkit:input"),
    *("traceloop.entity.input", "input.value", "gen_ai.prompt", "input"),
)
_OUTPUT_VALUES = (
    *("mlflow.spanOutputs", "lk.response.text", "flue.turn.output", "gcp.vertex.agent.llm_response", "genkit:output"),
    *("traceloop.entity.output", "output.value", "gen_ai.completion", "output"),
)
_HIDDEN = ("__REDACTED__", "[REDACTED]", "<REDACTED>")
_DERIVED = frozenset(
    {"no-input", "incomplete-output", "media", "empty-message", "truncated", "filtered", "generation-error", "redacted"}
    | {"tool-call-id-repaired", "ambiguous-tool-call", "dangling-tool-call", "bad-arguments"}
)
_EVENT_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


@dataclass(slots=True)
class Generation:
    """One model call.

    Attributes:
        span_id: its span, unique within the trace.
        parent_id: "" for a root.
        name: span name.
        start_ns: Unix nanoseconds; 0 when unknown.
        end_ns: Unix nanoseconds; 0 when unknown.
        messages: what the model saw, in OpenAI form.
        output: the assistant's turn; {} when nothing tells it.
        tools: tools offered, in OpenAI form.
        parameters: request parameters under OpenAI's names.
        finish_reason: stop, length, tool_calls, content_filter, error or unknown.
        model_requested: model asked for; "" when unknown.
        model_answered: model that answered; "" when unknown.
        usage: token counts.
        response_id: the provider's id of the answer; "" when unknown.
        agent: agent or node that made the call; "" when unknown.
        step: name of the call within its agent: the span's name.
        media: kind and reference of pictures, sound and files in the prompt or answer.
        problems: why it cannot be trained on, each once, in alphabetical order.
        error: the call ended in an error.
        instrumentation: "otlp" or "langfuse".
    """

    span_id: str
    parent_id: str = ""
    name: str = ""
    start_ns: int = 0
    end_ns: int = 0
    messages: list[Message] = field(default_factory=list)
    output: Message = field(default_factory=dict)
    tools: list[dict[str, Any]] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    finish_reason: str = "unknown"
    model_requested: str = ""
    model_answered: str = ""
    usage: Usage = field(default_factory=Usage)
    response_id: str = ""
    agent: str = ""
    step: str = ""
    media: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    error: bool = False
    instrumentation: str = "otlp"

    @property
    def text(self) -> str:
        """Text of the assistant's turn; "" when it only called tools."""
        return str(self.output.get("content") or "")

    @property
    def latency_ms(self) -> float:
        """Duration; 0 when a time is unknown."""
        return max(0.0, (self.end_ns - self.start_ns) / 1e6) if self.start_ns and self.end_ns else 0.0

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Tool calls of the assistant's turn."""
        return list(self.output.get("tool_calls") or ())


def input_of(span: Span) -> Conversation:
    """What a span received, from the first place that holds anything."""
    a = span.attributes
    conversation = _semantic_input(a) if a.get("gen_ai.input.messages") else Conversation()
    if not conversation.messages and a.get("mastra.model_step.input"):
        conversation = parse_conversation(a["mastra.model_step.input"])
    if not conversation.messages and a.get("langfuse.observation.input"):
        conversation = parse_conversation(a["langfuse.observation.input"])
    for key in ("ai.prompt.messages", "ai.prompt"):
        if not conversation.messages and a.get(key):
            conversation = parse_conversation(a[key])
    if not conversation.messages and (span.events or a.get("events")):
        conversation = _event_input(span)
    for prefix in ("llm.input_messages", "gen_ai.prompt", "llm.prompts"):
        if not conversation.messages and any(key.startswith(prefix + ".") for key in a):
            conversation = indexed_messages(a, prefix, "user")
    for key in _INPUT_VALUES:
        if not conversation.messages and a.get(key):
            conversation = parse_conversation(a[key])
    return conversation


def _semantic_input(a: dict[str, Any]) -> Conversation:
    conversation = parse_conversation(a["gen_ai.input.messages"])
    instructions = a.get("gen_ai.system_instructions")
    if instructions and not any(message["role"] == "system" for message in conversation.messages):
        conversation.messages[:0] = _system(instructions)
    return conversation


def _system(instructions: Any) -> list[Message]:
    texts = [message["content"] for message in parse_conversation(instructions, "system").messages]
    return [{"role": "system", "content": "\n".join(texts)}] if texts else []


def _event_body(event: dict[str, Any]) -> dict[str, Any]:
    """Body of a span event or log event: an object of its own, or the attributes themselves."""
    body = decode_json(event.get("body") or event.get("gen_ai.event.content") or event.get("event.body"))
    return body if isinstance(body, dict) else {**event, "content": body} if body else event


def _events(span: Span) -> list[tuple[str, dict[str, Any]]]:
    """A span's events, with those that Pydantic AI's first format keeps as JSON in an attribute."""
    told = decode_json(span.attributes.get("events"))
    listed = [item for item in told if isinstance(item, dict)] if isinstance(told, list) else []
    return [*span.events, *((as_word(item.get("event.name")), item) for item in listed)]


def _event_input(span: Span) -> Conversation:
    """Input messages in a span's events."""
    whole = Conversation()
    items: list[Any] = []
    for name, event in _events(span):
        if name in _EVENT_ROLES:
            body = _event_body(event)
            # Strands puts tool results into user events, and calls into assistant events, as lists of parts.
            items.append({**body, "role": body.get("role") or _EVENT_ROLES[name], "content": decode_json(body.get("content"))})
        elif name == "gen_ai.client.inference.operation.details" and event.get("gen_ai.input.messages"):
            return _semantic_input(event)
        elif name == "gen_ai.content.prompt" and event.get("gen_ai.prompt"):
            whole = parse_conversation(event["gen_ai.prompt"])
    return parse_conversation(items) if items else whole


def output_of(span: Span) -> Conversation:
    """The assistant's turn of a span, from the first place that holds one."""
    a = span.attributes
    conversation = Conversation()
    for key in ("gen_ai.output.messages", "langfuse.observation.output", "mastra.model_step.output"):
        if not conversation.messages and a.get(key):
            conversation = parse_output(a[key])
    if not conversation.messages and any(key.startswith("ai.response.") for key in a):
        conversation = _ai_sdk_output(a)
    if not conversation.messages and (span.events or a.get("events")):
        conversation = _event_output(span)
    for prefix in ("llm.output_messages", "gen_ai.completion", "llm.completions"):
        if not conversation.messages and any(key.startswith(prefix + ".") for key in a):
            indexed = indexed_messages(a, prefix, "assistant")
            indexed.messages = [message for message in indexed.messages if message["role"] == "assistant"][-1:]
            conversation = indexed
            if a.get("output.value"):
                carried = parse_output(a["output.value"])
                conversation.response_id, conversation.usage = carried.response_id, carried.usage
                conversation.finish_reason = conversation.finish_reason or carried.finish_reason
    for key in _OUTPUT_VALUES:
        if not conversation.messages and a.get(key):
            conversation = parse_output(a[key])
    return conversation


def _ai_sdk_output(a: dict[str, Any]) -> Conversation:
    """The turn of the Vercel AI SDK: text, structured object and calls stand in attributes of their own."""
    text, calls = a.get("ai.response.text"), decode_json(a.get("ai.response.toolCalls"))
    structured = a.get("ai.response.object")
    if not (text or calls or structured):
        return Conversation()
    content = text or ("" if calls else structured)
    reasoning = a.get("ai.response.reasoning")
    item = {"role": "assistant", "content": content, "tool_calls": calls if isinstance(calls, list) else []}
    if structured and not calls:
        # The object came by a call that the SDK made up and took back: it tells "tool-calls" as the reason.
        item["finish_reason"] = "stop"
    if isinstance(reasoning, str):
        item["reasoning_content"] = reasoning
    return parse_output([item])


def _event_output(span: Span) -> Conversation:
    """The assistant's turn in a span's events."""
    conversation = Conversation()
    for name, event in _events(span):
        if name == "gen_ai.choice":
            body = _event_body(event)
            message = decode_json(body.get("message"))
            if isinstance(message, dict):
                item = {**message, "role": message.get("role") or "assistant"}
            else:
                item = {"role": "assistant", "content": message if message is not None else decode_json(body.get("content"))}
                item |= {key: decode_json(body[key]) for key in ("tool_calls",) if body.get(key)}
            conversation = parse_output([item])
            conversation.finish_reason = str(body.get("finish_reason") or conversation.finish_reason or "")
        elif name == "gen_ai.client.inference.operation.details" and event.get("gen_ai.output.messages"):
            conversation = parse_output(event["gen_ai.output.messages"])
        elif name == "gen_ai.content.completion" and event.get("gen_ai.completion"):
            conversation = parse_output(event["gen_ai.completion"])
    return conversation


def _tools(span: Span, conversation: Conversation) -> list[dict[str, Any]]:
    tools = tools_of(span.attributes) or conversation.tools
    if tools:
        return tools
    for key in _INPUT_VALUES:
        value = as_object(span.attributes.get(key)) if span.attributes.get(key) else {}
        nested = as_object(value.get("config")) if value else {}
        if tools := parse_tools(value.get("tools")) or parse_tools(nested.get("tools")):
            return tools
    details = (event for name, event in span.events if name == "gen_ai.client.inference.operation.details")
    return next((tools for event in details if (tools := parse_tools(event.get("gen_ai.tool.definitions")))), [])


def read_generation(span: Span) -> Generation:
    """The model call of a span whose kind is generation."""
    a = span.attributes
    asked, answer = input_of(span), output_of(span)
    output = answer.messages[0] if answer.messages else {}
    raw_finish = next((a[key] for key in _FINISH_KEYS if a.get(key)), "") or answer.finish_reason
    if a.get("ai.response.object") and not output.get("tool_calls"):
        raw_finish = answer.finish_reason
    config = as_object(a.get("genkit:input")).get("config") if a.get("genkit:input") else None
    generation = Generation(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        messages=asked.messages,
        output=output,
        tools=_tools(span, asked),
        parameters=parameters_of(a, config),
        finish_reason=normalise_finish(raw_finish),
        model_requested=first_word(a, _REQUESTED) or as_word(as_object(a.get("llm.invocation_parameters")).get("model")),
        model_answered=first_word(a, _ANSWERED) or answer.model,
        usage=usage_of(a, answer.usage or as_object(as_object(a.get("genkit:output")).get("usage"))),
        response_id=first_word(a, _RESPONSE_IDS) or answer.response_id,
        agent=first_word(a, _AGENTS),
        step=span.name,
        media=asked.media + answer.media,
        problems=asked.problems + answer.problems,
        error=span.error,
        instrumentation=span.source,
    )
    check(generation)
    return generation


def check(generation: Generation) -> None:
    """Derive the finish reason where the content contradicts it, pair call ids, and note what bars training."""
    # What an incomplete reading had noted is looked at anew.
    problems = [problem for problem in generation.problems if problem not in _DERIVED]
    if generation.calls and generation.finish_reason in ("stop", "unknown"):
        generation.finish_reason = "tool_calls"
    if not generation.messages:
        problems.append("no-input")
    if not (generation.text or generation.calls) or (generation.finish_reason == "tool_calls" and not generation.calls):
        problems.append("incomplete-output")
    if generation.media:
        problems.append("media")
    elif any(message["role"] == "user" and not message["content"] for message in generation.messages):
        problems.append("empty-message")
    if generation.finish_reason == "length":
        problems.append("truncated")
    if generation.finish_reason == "content_filter":
        problems.append("filtered")
    if generation.error or generation.finish_reason == "error":
        problems.append("generation-error")
    everything = [*generation.messages, generation.output] if generation.output else generation.messages
    if any(mark in str(message.get("content")) for message in everything for mark in _HIDDEN):
        problems.append("redacted")
    problems += pair_calls(everything)
    if any(
        not isinstance(decode_json(call["function"]["arguments"]), dict) for message in everything for call in message.get("tool_calls", ())
    ):
        problems.append("bad-arguments")
    generation.problems = sorted(set(problems))


def pair_calls(messages: list[Message]) -> list[str]:
    """Give calls and results without an id the id of their position, and say what does not pair.

    Returns:
        Of "tool-call-id-repaired" (harmless), "ambiguous-tool-call" and "dangling-tool-call": those that apply.
    """
    notes: set[str] = set()
    waiting: list[dict[str, Any]] = []
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            notes |= _answer_call(message, waiting)
            continue
        if waiting:
            notes.add("dangling-tool-call")
            waiting = []
        for index, call in enumerate(message.get("tool_calls", ())):
            if not call["id"]:
                call["id"] = f"call_{position}_{index}"
                notes.add("tool-call-id-repaired")
            waiting.append(call)
    if waiting and messages[-1]["role"] == "tool":
        notes.add("dangling-tool-call")
    return sorted(notes)


def _answer_call(message: Message, waiting: list[dict[str, Any]]) -> set[str]:
    """Take the call that a result answers out of those that wait for one."""
    identity = message.get("tool_call_id")
    match = next((call for call in waiting if call["id"] == identity), None) if identity else None
    notes: set[str] = set()
    if match is None and waiting and (not identity or waiting[0]["id"].startswith("call_")):
        unnamed = [call for call in waiting if call["id"].startswith("call_")]
        if not identity and len(waiting) > 1 and len({call["function"]["name"] for call in waiting}) < len(waiting):
            notes.add("ambiguous-tool-call")
        match = (unnamed or waiting)[0] if not identity else None
        if match is not None:
            message["tool_call_id"] = match["id"]
            notes.add("tool-call-id-repaired")
    if match is None:
        notes.add("dangling-tool-call")
    else:
        waiting.remove(match)
    return notes
