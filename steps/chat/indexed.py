"""Messages that stand one attribute a field, as OpenInference and older Traceloop write them."""

from __future__ import annotations

import re
from typing import Any

from steps.chat.messages import Conversation, add_item, merge_calls
from steps.chat.values import as_word

_INDEXED = re.compile(r"(\d{1,5})\.(?:message\.)?(.+)$")


def indexed_messages(attributes: dict[str, Any], prefix: str, role: str) -> Conversation:
    """Messages that stand one attribute a field, such as `llm.input_messages.0.message.role`.

    Where a message has both a text content and a list of contents, the list counts: it is the same text, with the media.
    """
    slots: dict[int, dict[str, Any]] = {}
    start = prefix + "."
    for key, value in attributes.items():
        if key.startswith(start) and (match := _INDEXED.match(key[len(start) :])):
            _put(slots.setdefault(int(match[1]), {}), match[2].split("."), value)
    conversation = Conversation()
    for _, slot in sorted(slots.items()):
        item = _as_lists(slot)
        contents = item.get("contents")
        if isinstance(contents, list) and contents:
            item["content"] = [_openinference_part(part) for part in contents]
        item.pop("contents", None)
        calls = item.get("tool_calls")
        if isinstance(calls, list):
            item["tool_calls"] = [call.get("tool_call", call) if isinstance(call, dict) else call for call in calls]
        if "function_call_name" in item:
            item["function_call"] = {"name": item["function_call_name"], "arguments": item.get("function_call_arguments_json")}
        if isinstance(item.get("finish_reason"), str):
            conversation.finish_reason = as_word(item["finish_reason"])
        add_item(item if item.get("role") else {**item, "role": role}, role, conversation)
    merge_calls(conversation.messages)
    return conversation


def _put(slot: dict[str, Any], path: list[str], value: Any) -> None:
    """Store a value under a dotted path; a path through a value that is already there is left out."""
    for name in path[:-1][:12]:
        inner = slot.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        slot = inner
    slot.setdefault(path[-1], value)


def _as_lists(value: Any) -> Any:
    """Mappings whose keys are all numbers as lists."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() and len(key) < 6 for key in value):
        return [_as_lists(item) for _, item in sorted(value.items(), key=lambda pair: int(pair[0]))]
    return {key: _as_lists(item) for key, item in value.items()}


def _openinference_part(part: Any) -> Any:
    return part.get("message_content", part) if isinstance(part, dict) else part
