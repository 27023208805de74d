"""The assistant's turn of a model call, from the output values of every known client."""

from __future__ import annotations

from typing import Any

from steps.chat.content import parse_call
from steps.chat.messages import Conversation, Message, add_item, add_list, add_value, finish_of, is_message, merge_calls
from steps.chat.values import MAX_DEPTH, as_object, as_word, compact_json, decode_json, decode_twice

_ANSWER_KEYS = (
    *("answer", "output", "response", "completion", "text", "content", "message", "result", "outputs", "generated_text", "value"),
    *("final_output", "final_answer"),
)


def parse_output(value: Any) -> Conversation:
    """The assistant's turn of an output value, as a conversation of at most one message, with finish reason, id and usage."""
    conversation = Conversation()
    _add_output(decode_twice(value), conversation, 0)
    merge_calls(conversation.messages)
    for message in conversation.messages:
        _drop_partial_calls(message)
    turns = [message for message in conversation.messages if message["role"] == "assistant"]
    conversation.messages = turns[-1:]
    return conversation


def _add_output(value: Any, conversation: Conversation, depth: int) -> None:
    if depth > MAX_DEPTH or value is None or value == "":
        return
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], (list, tuple)):
            _add_output(value[0], conversation, depth + 1)
        elif any(is_message(item) for item in value):
            for item in value:
                add_item(item, "assistant", conversation)
        elif len(value) == 1 and not (isinstance(value[0], dict) and parse_call(value[0])):
            _add_output(decode_json(value[0]), conversation, depth + 1)
        else:
            add_list(list(value), "assistant", conversation, depth)
        return
    if not isinstance(value, dict):
        add_value(value, "assistant", conversation, depth)
        return
    _note_response(value, conversation)
    for key in ("choices", "candidates", "generations", "output", "messages"):
        inner = decode_json(value.get(key)) if key in ("output", "messages") else value.get(key)
        if isinstance(inner, list) and inner:
            conversation.finish_reason = (
                finish_of(inner[0]) if isinstance(inner[0], dict) and finish_of(inner[0]) else conversation.finish_reason
            )
            _add_output(inner if key in ("output", "messages") else inner[0], conversation, depth + 1)
            return
    conversation.finish_reason = finish_of(value) or conversation.finish_reason
    if isinstance(value.get("message"), dict):
        _note_response(value["message"], conversation)
        add_item(value, "assistant", conversation)
    elif is_message(value):
        add_item(value, "assistant", conversation)
    elif isinstance(value.get("content"), dict) and isinstance(value["content"].get("parts"), list):
        add_item({**value["content"], "role": "assistant"}, "assistant", conversation)
    elif value.get("toolCalls") or value.get("tool_calls"):
        add_item({"role": "assistant", "content": value.get("text") or value.get("content"), **value}, "assistant", conversation)
    elif isinstance(value.get("content"), list):
        add_item({"role": "assistant", "content": value["content"]}, "assistant", conversation)
    elif key := next((key for key in _ANSWER_KEYS if value.get(key)), ""):
        _add_output(decode_json(value[key]), conversation, depth + 1)
    elif value and not set(value) <= {"role", "usage", "id", "model", "finish_reason", *_ANSWER_KEYS}:
        add_item(compact_json(value), "assistant", conversation)


def _note_response(value: dict[str, Any], conversation: Conversation) -> None:
    """Keep the id, usage and model that a provider's response carries itself."""
    inner = as_object(value.get("raw")) or value
    meta = as_object(value.get("response_metadata"))
    for source in (inner, meta):
        identity = source.get("id") or source.get("response_id") or source.get("responseId")
        looks_like_response = bool({"choices", "object", "candidates", "stop_reason", "output"} & source.keys()) or source is meta
        if isinstance(identity, str) and identity and looks_like_response:
            conversation.response_id = conversation.response_id or as_word(identity)
        model = source.get("model") or source.get("model_name")
        if isinstance(model, str) and looks_like_response:
            conversation.model = conversation.model or as_word(model)
    for key in ("usage", "usage_metadata", "usageMetadata", "token_usage"):
        for source in (value, inner, meta):
            if isinstance(source.get(key), dict) and not conversation.usage:
                conversation.usage = dict(source[key])


def _drop_partial_calls(message: Message) -> None:
    """Keep of calls with one id the fullest: streams list a call again with every piece of its arguments."""
    calls = message.get("tool_calls", [])
    fullest: dict[tuple[str, str], dict[str, Any]] = {}
    for position, call in enumerate(calls):
        key = (call["id"] or f"#{position}", call["function"]["name"])
        known = fullest.get(key)
        if known is None or len(call["function"]["arguments"]) > len(known["function"]["arguments"]):
            fullest[key] = call
    if len(fullest) < len(calls):
        message["tool_calls"] = list(fullest.values())
