"""Parser of messages and answers in the many shapes that instrumentations write.

Every shape becomes a list of {"role", "content"} with text contents. What is not text
(tool calls and their results, images) stays as compact JSON, so that the model's input stays complete.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from steps.contract.files import canonical_json

Message = dict[str, str]
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant", "developer": "system", "function": "tool"}
_KNOWN_ROLES = frozenset({"system", "user", "assistant", "tool"})
_HIDDEN_PARTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_TEXT_KEYS = ("question", "query", "user_input", "input", "prompt", "text", "content", "message", "inputs", "value")
_ANSWER_KEYS = ("answer", "output", "response", "completion", "text", "content", "message", "result", "outputs", "generated_text", "value")
_MAX_DEPTH = 16
# Control characters have no meaning in a message; zero-width ones can hide a number from the gates.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]")


def clean_text(text: str) -> str:
    """Text without control and zero-width characters, and without lone surrogates."""
    if _INVISIBLE.search(text):
        text = _INVISIBLE.sub("", text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def decode_json(value: Any) -> Any:
    """A JSON text as the value it holds; anything else as it is. The text of a JSON string counts too."""
    if value == "null":
        return None
    if isinstance(value, str) and value[:1] in ("{", "[", '"', " ", "\n"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def as_text(value: Any, depth: int = 0) -> str:
    """Text of a content: a string, a list of parts, or a part."""
    if value is None:
        return ""
    if isinstance(value, str):
        return clean_text(value)
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        parts = [as_text(item, depth + 1) for item in value]
        return "\n".join(part for part in parts if part)
    if isinstance(value, dict):
        kind = value.get("type")
        if kind in _HIDDEN_PARTS:
            return ""
        if kind in ("text", "output_text", "input_text", None):
            for key in ("text", "content", "value"):
                if value.get(key) is not None:
                    return as_text(value[key], depth + 1)
    return clean_text(canonical_json(value))


def _role(value: Any, default: str) -> str:
    role = str(value or default).strip().lower()
    role = _ROLES.get(role, role)
    return role if role in _KNOWN_ROLES else default


def _message(item: Any, default_role: str) -> Message | None:
    """One message in any of the known shapes."""
    if isinstance(item, str):
        return {"role": default_role, "content": clean_text(item)}
    if not isinstance(item, dict):
        return None
    if isinstance(item.get("message"), dict):
        item = item["message"]
    if isinstance(item.get("kwargs"), dict) and "content" in item["kwargs"]:
        item = {"role": str((item.get("id") or [""])[-1]).removesuffix("Message").lower(), **item["kwargs"]}
    role = _role(
        item.get("role") or (item.get("type") if item.get("type") in _ROLES or item.get("type") in _KNOWN_ROLES else ""), default_role
    )
    content = as_text(item.get("parts") if item.get("parts") is not None else item.get("content", item.get("text")))
    calls = item.get("tool_calls")
    if calls:
        content = "\n".join(part for part in (content, clean_text(canonical_json(calls))) if part)
    return {"role": role, "content": content}


def is_message(item: Any) -> bool:
    """Whether an object looks like a chat message."""
    if not isinstance(item, dict):
        return False
    inner = item.get("kwargs")
    return (
        (isinstance(inner, dict) and "content" in inner)
        or "role" in item
        or "parts" in item
        or isinstance(item.get("message"), dict)
        or (item.get("type") in _ROLES and "content" in item)
    )


def parse_messages(value: Any, role: str = "user", depth: int = 0) -> list[Message]:
    """Messages from an input value: a list, {"messages": …}, {"question": …}, a message, or plain text."""
    value = decode_json(value)
    if depth > _MAX_DEPTH or value is None or value == "":
        return []
    if isinstance(value, str):
        return [{"role": role, "content": clean_text(value)}]
    if isinstance(value, list):
        if value and isinstance(value[0], list):
            value = value[0]
        if any(is_message(item) for item in value):
            parsed = [_message(item, role) for item in value]
            return [message for message in parsed if message is not None and message["content"]]
        if len(value) == 1:
            return parse_messages(value[0], role, depth + 1)
        return [{"role": role, "content": as_text(value)}]
    if not isinstance(value, dict):
        return [{"role": role, "content": clean_text(str(value))}]
    if is_message(value):
        message = _message(value, role)
        return [message] if message and message["content"] else []
    for key in ("messages", "chat_history"):
        if isinstance(value.get(key), (list, str)) and value[key]:
            return parse_messages(value[key], role, depth + 1)
    if set(value) <= {"args", "kwargs"}:
        inner = value.get("kwargs") or value.get("args")
        return parse_messages(inner, role, depth + 1)
    for key in _TEXT_KEYS:
        if value.get(key):
            return parse_messages(value[key], role, depth + 1)
    return [{"role": role, "content": clean_text(canonical_json(value))}]


def parse_answer(value: Any, depth: int = 0) -> str:
    """The answer's text from an output value; "" when there is none."""
    value = decode_json(value)
    if depth > _MAX_DEPTH or value is None:
        return ""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        if value and isinstance(value[0], list):
            return parse_answer(value[0], depth + 1)
        messages = [item for item in value if is_message(item)]
        if messages:
            texts = [
                m["content"] for m in (_message(item, "assistant") for item in messages) if m and m["role"] == "assistant" and m["content"]
            ]
            return texts[-1] if texts else ""
        return parse_answer(value[0], depth + 1) if len(value) == 1 else as_text(value)
    if not isinstance(value, dict):
        return clean_text(str(value))
    for key in ("choices", "messages", "generations"):
        if isinstance(value.get(key), list) and value[key]:
            items = value[key][:1] if key != "messages" else value[key]
            return parse_answer(items, depth + 1)
    if is_message(value) and not isinstance(value.get("message"), dict):
        message = _message(value, "assistant")
        return message["content"] if message else ""
    for key in _ANSWER_KEYS:
        if value.get(key):
            return parse_answer(value[key], depth + 1)
    return "" if not value or set(value) <= {"role", *_ANSWER_KEYS} else clean_text(canonical_json(value))


def finish_reason_of(value: Any) -> str:
    """The finish reason that an output value carries itself, "" when none."""
    value = decode_json(value)
    if isinstance(value, dict):
        choices = value.get("choices")
        return str(value.get("finish_reason") or "") or (finish_reason_of(choices) if isinstance(choices, list) else "")
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        return str(value[-1].get("finish_reason") or "")
    return ""


def indexed_messages(attributes: dict[str, Any], prefix: str, suffix: str = "") -> list[Message]:
    """Messages that stand as `prefix.N.role` and `prefix.N.content` (with `suffix` between)."""
    pattern = re.compile(
        rf"{re.escape(prefix)}\.(\d+)\.{re.escape(suffix)}(role|content|contents\.\d+\.message_content\.text|tool_calls.*)$"
    )
    slots: dict[int, dict[str, list[str]]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix) and (match := pattern.match(key)):
            slot = slots.setdefault(int(match[1]), {"role": [], "content": []})
            slot["role" if match[2] == "role" else "content"].append(as_text(decode_json(value)))
    default = "assistant" if "completion" in prefix or "output" in prefix else "user"
    result = [{"role": _role("".join(slot["role"]), default), "content": "\n".join(slot["content"])} for _, slot in sorted(slots.items())]
    return [message for message in result if message["content"]]
