"""All texts of one trace: collected once each, and put back after masking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from steps.chat.messages import Message
from steps.chat.trace import Trace
from steps.chat.values import compact_json, decode_json


def _message_texts(message: Message) -> Iterator[str]:
    """Yield the texts of a message: words, thought, and arguments of calls."""
    yield str(message.get("content") or "")
    yield str(message.get("reasoning_content") or "")
    for call in message.get("tool_calls", ()):
        yield call["function"]["arguments"]


def _all_messages(trace: Trace) -> Iterator[Message]:
    for generation in trace.generations:
        yield from generation.messages
        if generation.output:
            yield generation.output


def texts_of(trace: Trace) -> list[str]:
    """Every different text of a trace, in order; a turn that ten calls repeat comes once."""
    texts = [trace.question, *trace.contexts]
    for message in _all_messages(trace):
        texts += _message_texts(message)
    for generation in trace.generations:
        texts += [compact_json(tool) for tool in generation.tools]
        texts += [medium.get("reference", "") for medium in generation.media]
    return list(dict.fromkeys(text for text in texts if text))


def is_document(text: str) -> bool:
    """Whether a text is a JSON object or list, whose leaves are masked one by one."""
    return text[:1] in ("{", "[") and isinstance(decode_json(text), (dict, list))


def replace_texts(trace: Trace, masked: Mapping[str, str]) -> None:
    """Put masked texts in the place of the originals."""

    def new(text: str) -> str:
        return masked.get(text, text)

    trace.question = new(trace.question)
    trace.contexts = [new(text) for text in trace.contexts]
    for message in _all_messages(trace):
        _replace_message(message, masked)


def _replace_message(message: dict[str, Any], masked: Mapping[str, str]) -> None:
    for name in ("content", "reasoning_content"):
        if message.get(name):
            message[name] = masked.get(message[name], message[name])
    for call in message.get("tool_calls", ()):
        arguments = call["function"]["arguments"]
        call["function"]["arguments"] = masked.get(arguments, arguments)
