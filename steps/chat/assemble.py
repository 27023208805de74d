"""Assembly of the spans of one trace id into one Trace, or into the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from steps.chat.claims import confidentiality_of, consent_of, first_text, region_of
from steps.chat.contexts import find_contexts, is_retriever, split_prompt
from steps.chat.langfuse import FEEDBACK_NAMES, as_mapping, parse_feedback
from steps.chat.messages import Message, as_text, clean_text, decode_json, finish_reason_of, indexed_messages, parse_answer, parse_messages
from steps.chat.span import Score, Span
from steps.chat.trace import Trace, model_partition

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_NS = 946_684_800 * 10**9  # 2000-01-01: earlier is a broken clock, and would be its own partition
_LATEST_NS = 4_102_444_800 * 10**9  # 2100-01-01
MAX_TEXT_CHARACTERS = 4_000_000
_GENERATION_KINDS = frozenset({"generation", "llm", "chat", "text_completion", "generate_content", "completion"})
_NO_ANSWER_KINDS = frozenset({"embedding", "embeddings", "tool", "execute_tool", "evaluator", "guardrail", "event"})
_KIND_KEYS = ("langfuse.observation.type", "gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "llm.request.type")
_INPUT_KEYS = (
    "langfuse.observation.input",
    "ai.prompt.messages",
    "ai.prompt",
    "mlflow.spanInputs",
    "traceloop.entity.input",
    "input.value",
)
_OUTPUT_KEYS = ("langfuse.observation.output", "ai.response.text", "mlflow.spanOutputs", "traceloop.entity.output", "output.value")
_EVENT_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_MODEL_KEYS = ("langfuse.observation.model.name", "gen_ai.response.model", "ai.model.id", "gen_ai.request.model", "llm.model_name", "model")
_VERSION_KEYS = (
    "ctp.model_version",
    "gen_ai.response.model_version",
    "langfuse.trace.metadata.model_version",
    "langfuse.observation.metadata.model_version",
    "metadata.model_version",
    "model_version",
)
_USER_KEYS = (
    "langfuse.user.id",
    "user.id",
    "enduser.id",
    "langfuse.trace.metadata.langfuse_user_id",
    "langfuse.trace.metadata.user_id",
    "user_id",
)
_SESSION_KEYS = ("langfuse.session.id", "session.id", "gen_ai.conversation.id", "session_id")
_ENVIRONMENT_KEYS = ("langfuse.environment", "deployment.environment.name", "deployment.environment")


def kind_of(span: Span) -> str:
    """Kind of a span's work, as one lower-case word; "" without one."""
    for key in _KIND_KEYS:
        value = span.attributes.get(key)
        if isinstance(value, str) and value:
            return value.lower()
    return ""


def _event_messages(span: Span) -> tuple[list[Message], str]:
    """Input messages and answer in a span's events."""
    messages: list[Message] = []
    answer = ""
    for name, event in span.events:
        body = decode_json(event.get("body") or event.get("gen_ai.event.content") or event.get("event.body"))
        body = body if isinstance(body, dict) else {"content": body} if body else event
        if name in _EVENT_ROLES:
            text = as_text(decode_json(body.get("content")))
            messages += [{"role": _EVENT_ROLES[name], "content": text}] if text else []
        elif name == "gen_ai.choice":
            answer = parse_answer(body.get("message") or body.get("content")) or answer
        elif name == "gen_ai.client.inference.operation.details":
            messages = _instructions(event) + parse_messages(event.get("gen_ai.input.messages")) or messages
            answer = parse_answer(event.get("gen_ai.output.messages")) or answer
        elif name == "gen_ai.content.prompt":
            messages = parse_messages(event.get("gen_ai.prompt")) or messages
        elif name == "gen_ai.content.completion":
            answer = parse_answer(event.get("gen_ai.completion")) or answer
    return messages, answer


def _instructions(attributes: dict[str, Any]) -> list[Message]:
    text = as_text(decode_json(attributes.get("gen_ai.system_instructions")))
    return [{"role": "system", "content": text}] if text else []


def input_messages(span: Span) -> list[Message]:
    """Messages that a span received as input; [] without any."""
    a = span.attributes
    if a.get("gen_ai.input.messages"):
        return _instructions(a) + parse_messages(a["gen_ai.input.messages"])
    for key in _INPUT_KEYS[:3]:
        if a.get(key):
            return parse_messages(a[key])
    if span.events:
        messages = _event_messages(span)[0]
        if messages:
            return messages
    for prefix, suffix in (("gen_ai.prompt", ""), ("llm.input_messages", "message."), ("llm.prompts", "")):
        messages = indexed_messages(a, prefix, suffix)
        if messages:
            return messages
    for key in (*_INPUT_KEYS[3:], "gen_ai.prompt"):
        if a.get(key):
            return parse_messages(a[key])
    return []


def output_text(span: Span) -> str:
    """Answer that a span holds; "" without one."""
    a = span.attributes
    if a.get("gen_ai.output.messages"):
        return parse_answer(a["gen_ai.output.messages"])
    for key in _OUTPUT_KEYS[:2]:
        if a.get(key):
            return parse_answer(a[key])
    if span.events:
        answer = _event_messages(span)[1]
        if answer:
            return answer
    for prefix, suffix in (("gen_ai.completion", ""), ("llm.output_messages", "message.")):
        messages = indexed_messages(a, prefix, suffix)
        if messages:
            return messages[-1]["content"]
    for key in (*_OUTPUT_KEYS[2:], "gen_ai.completion"):
        if a.get(key):
            return parse_answer(a[key])
    return ""


def _is_generation(span: Span) -> bool:
    kind = kind_of(span)
    if kind in _GENERATION_KINDS:
        return True
    a = span.attributes
    return not kind and any(key in a for key in ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "ai.model.id"))


def _number(*values: Any) -> int:
    """The first value that is a count, else 0."""
    for value in values:
        try:
            if value is not None and 0 <= int(value) < 2**53:
                return int(value)
        except (TypeError, ValueError, OverflowError):
            continue
    return 0


def _tokens(span: Span) -> tuple[int, int]:
    a = span.attributes
    usage = as_mapping(a.get("langfuse.observation.usage_details"))
    return (
        _number(
            a.get("gen_ai.usage.input_tokens"),
            a.get("gen_ai.usage.prompt_tokens"),
            a.get("llm.token_count.prompt"),
            usage.get("input"),
            usage.get("prompt_tokens"),
        ),
        _number(
            a.get("gen_ai.usage.output_tokens"),
            a.get("gen_ai.usage.completion_tokens"),
            a.get("llm.token_count.completion"),
            usage.get("output"),
            usage.get("completion_tokens"),
        ),
    )


def _finish_reason(span: Span) -> str:
    a = span.attributes
    reasons = (
        decode_json(a.get("gen_ai.response.finish_reasons")) or a.get("gen_ai.completion.0.finish_reason") or a.get("llm.finish_reason")
    )
    reason = reasons[0] if isinstance(reasons, list) and reasons else reasons
    if not reason:
        reason = next(
            (finish_reason_of(a[key]) for key in ("gen_ai.output.messages", "langfuse.observation.output", "output.value") if a.get(key)),
            "",
        )
    return str(reason or "")


def _version(answering: Span, generations: list[Span], root: Span) -> str:
    """Version of the model: an attribute of its own, or else the service.version of the model server.

    An app's service.version is the app's: it counts only when the app is the only service.
    """
    version = first_text([answering, *generations, root], _VERSION_KEYS)
    if version:
        return version
    for span in (answering, *generations):
        own, service = span.resource.get("service.version"), span.resource.get("service.name")
        if own and (span is root or service != root.resource.get("service.name")):
            return str(own)
    return ""


def _feedback(spans: list[Span], scores: list[Score]) -> float | None:
    """The user's verdict: the latest score, else the last evaluation event."""
    if scores:
        return max(scores, key=lambda score: score.at_ns).value
    result = None
    for span in spans:
        for name, event in span.events:
            title = str(event.get("gen_ai.evaluation.name") or "").strip().casefold()
            if name == "gen_ai.evaluation.result" and title in FEEDBACK_NAMES:
                value = parse_feedback(event.get("gen_ai.evaluation.score.value"), event.get("gen_ai.evaluation.score.label"))
                result = value if value is not None else result
    return result


def _question(root: Span, answering: Span, messages: list[Message]) -> str:
    """The user's question alone: the root's input when it has one, else the last user message, without context sections."""
    for candidate in (input_messages(root) if root is not answering else [], messages):
        users = [message["content"] for message in candidate if message["role"] == "user"]
        if users:
            question = split_prompt(users[-1])[1]
            if question:
                return question
    return ""


def _unique(spans: Iterable[Span]) -> list[Span]:
    """Spans without redeliveries, by start time; of two with one id the fuller counts."""
    by_id: dict[tuple[str, str], Span] = {}
    for span in spans:
        other = by_id.get((span.source, span.span_id))
        if other is None or (len(span.attributes), span.end_ns, span.uri, span.offset) > (
            len(other.attributes),
            other.end_ns,
            other.uri,
            other.offset,
        ):
            by_id[(span.source, span.span_id)] = span
    return sorted(by_id.values(), key=lambda span: (span.start_ns, span.end_ns, span.span_id))


def _root(spans: list[Span]) -> Span:
    """The outermost span: no parent, else a parent that is not here; a trace row before observations."""
    ids = {span.span_id for span in spans}
    rank = {id(span): (bool(span.span_id), bool(span.parent_id), span.parent_id in ids) for span in spans}
    return min(spans, key=lambda span: rank[id(span)])


def _find_answer(root: Span, ordered: list[Span], generations: list[Span]) -> tuple[Span, str] | str:
    """The span that answered last, with its answer, or the reason why none did.

    Any other span counts only when no generation holds an answer.
    """
    answers = [(span, text) for span in generations if (text := output_text(span).strip())]
    if answers:
        return max(answers, key=lambda answer: answer[0].end_ns)
    for span in (root, *ordered):
        if span.error or is_retriever(span) or kind_of(span) in _NO_ANSWER_KINDS:
            continue
        if text := output_text(span).strip():
            return span, text
    if not generations:
        return "no-generation"
    return "generation-error" if any(span.error for span in generations) else "no-answer"


def _find_messages(root: Span, answering: Span, generations: list[Span]) -> list[Message]:
    """What the model saw: the input of the answering span, else of the latest other span that has one."""
    return next((messages for span in (answering, *reversed(generations), root) if (messages := input_messages(span))), [])


def _latency_ms(span: Span) -> float:
    """Duration of a span; 0 when a time is unknown."""
    return max(0.0, (span.end_ns - span.start_ns) / 1e6) if span.start_ns and span.end_ns else 0.0


def _environment(spans: list[Span]) -> str:
    """Deployment environment: an attribute of a span, else of a resource; "" when unknown."""
    attribute = first_text(spans, _ENVIRONMENT_KEYS)
    return attribute or str(next((span.resource[key] for span in spans for key in _ENVIRONMENT_KEYS if span.resource.get(key)), ""))


def assemble(spans: Iterable[Span], scores: Iterable[Score] = ()) -> Trace | str:
    """Assemble the trace of spans that have one trace id, in any order and with redeliveries.

    Returns:
        The trace, or why there is none: no-generation, generation-error, no-answer, no-input,
        text-too-large, bad-timestamp.
    """
    ordered = _unique(spans)
    root = _root(ordered)
    generations = [span for span in ordered if _is_generation(span)]
    result = _find_answer(root, ordered, generations)
    if isinstance(result, str):
        return result
    answering, answer = result
    messages = _find_messages(root, answering, generations)
    question = _question(root, answering, messages)
    if not messages and not question:
        return "no-input"
    if len(answer) + len(question) + sum(len(message["content"]) for message in messages) > MAX_TEXT_CHARACTERS:
        return "text-too-large"
    start_ns = min((span.start_ns for span in ordered if span.start_ns), default=0) or answering.end_ns
    if not _EARLIEST_NS <= start_ns < _LATEST_NS:
        return "bad-timestamp"
    outward = [root, answering, *ordered]
    input_tokens, output_tokens = _tokens(answering)
    return Trace(
        trace_id=root.trace_id,
        source=answering.source,
        source_uri=answering.uri,
        ts=_EPOCH + timedelta(microseconds=start_ns // 1000),
        model=model_partition(first_text([answering, *reversed(generations)], _MODEL_KEYS)),
        model_version=_version(answering, generations, root),
        consent=consent_of(ordered),
        region=region_of(ordered),
        confidentiality=confidentiality_of(ordered),
        user_id=first_text(outward, _USER_KEYS),
        session_id=first_text(outward, _SESSION_KEYS),
        question=question,
        messages=messages,
        contexts=find_contexts(ordered, messages),
        answer=clean_text(answer),
        feedback=_feedback(ordered, list(scores)),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        latency_ms=_latency_ms(answering),
        finish_reason=_finish_reason(answering),
        status="error" if answering.error else "ok",
        environment=_environment(outward),
    )
