"""Contents of messages: text, reasoning, tool calls, tool results and media, in the shapes of every known client.

Source: OpenAI Chat and Responses, Anthropic Messages, Bedrock Converse, Gemini, OpenTelemetry GenAI semantic conventions
1.37+, Vercel AI SDK 4-7, Genkit, LangChain, Pydantic AI.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from steps.chat.values import MAX_DEPTH, as_object, as_word, canonical_text, clean_text, compact_json, decode_json, decode_twice

_REASONING = frozenset({"reasoning", "thinking", "redacted_thinking", "redacted-reasoning", "summary_text", "textreasoningcontent"})
_TEXT = frozenset({"", "text", "output_text", "input_text", "refusal", "error-text", "message_content"})
_CALLS = frozenset({"tool_call", "tool-call", "tool_use", "function_call", "function", "server_tool_use", "server_tool_call", "toolcall"})
_RESULTS = frozenset(
    {"tool_call_response", "tool-result", "tool_result", "function_call_output", "server_tool_call_response", "tool_response", "tool-error"}
)
_MEDIA = frozenset(
    {"image", "image_url", "image-url", "input_image", "image_file", "audio", "audio_url", "audio-url", "input_audio", "video", "video_url"}
    | {"video-url", "file", "input_file", "blob", "uri", "media", "binary", "document", "document-url", "inline_data", "file_data"}
)
_WRAPPED_CALLS = ("toolUse", "toolRequest", "functionCall")
_WRAPPED_RESULTS = ("toolResult", "toolResponse", "functionResponse", "function_response")
_WRAPPED_MEDIA = ("image", "audio", "video", "document", "inlineData", "inline_data", "fileData", "file_data", "media")
_LANGFUSE_MEDIA = re.compile(r"@@@langfuseMedia:[^@]{1,400}@@@")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://|(?:file|media|img)[-_][A-Za-z0-9_-]{6,80}$")


@dataclass(slots=True)
class ToolCall:
    """One call of a tool. `arguments` is JSON text; `id` is "" when the client names none."""

    id: str
    name: str
    arguments: str

    def as_openai(self) -> dict[str, Any]:
        """The call in OpenAI's wire form."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(slots=True)
class Content:
    """What one message holds.

    Attributes:
        texts: text parts, in order.
        reasoning: parts of the model's thought.
        calls: tool calls.
        results: (tool call id, tool name, text) of tool results.
        media: kind and reference of what is no text; never its bytes.
        problems: reasons why the row that holds this message cannot be trained on.
    """

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[tuple[str, str, str]] = field(default_factory=list)
    media: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text parts, joined by line ends."""
        return "\n".join(part for part in self.texts if part)


def parse_call(item: dict[str, Any]) -> ToolCall | None:
    """A tool call in any known shape; None when it names no tool."""
    inner = item.get("function")
    if not isinstance(inner, dict):
        inner = item
    name = as_word(inner.get("name") or item.get("toolName") or item.get("tool_name") or (inner is item and item.get("function")))
    if not name:
        return None
    arguments: Any = None
    for source in (inner, item):
        arguments = next((source[key] for key in ("arguments", "input", "args", "parameters") if source.get(key) is not None), None)
        if arguments is not None:
            break
    identity = next((item[key] for key in ("call_id", "toolCallId", "tool_call_id", "toolUseId", "id", "ref") if item.get(key)), "")
    return ToolCall(as_word(identity), name, canonical_arguments(arguments))


def canonical_arguments(arguments: Any) -> str:
    """Arguments of a call as JSON text without spaces; text that is no JSON stays as it is, for the row's check to refuse."""
    if arguments is None or arguments == "":
        return "{}"
    decoded = decode_twice(arguments)
    return clean_text(decoded) if isinstance(decoded, str) else compact_json(decoded)


def result_text(value: Any, depth: int = 0) -> str:
    """Text of a tool result: plain, typed `{"type": "json", "value": …}`, or a list of blocks."""
    value = decode_json(value)
    if depth > MAX_DEPTH:
        return ""
    if isinstance(value, dict):
        kind = value.get("type")
        if kind in ("text", "error-text", "json", "error-json") and "value" in value:
            return canonical_text(value["value"])
        if kind == "content" and isinstance(value.get("value"), list):
            return result_text(value["value"], depth + 1)
        if kind in ("text", "output_text") and isinstance(value.get("text"), str):
            return clean_text(value["text"])
        if set(value) == {"json"} or set(value) == {"text"}:
            return canonical_text(next(iter(value.values())))
    if isinstance(value, list) and value and all(_is_block(item) for item in value):
        return canonical_text("\n".join(result_text(item, depth + 1) for item in value))
    return canonical_text(value) if value is not None else ""


def _is_block(item: Any) -> bool:
    return isinstance(item, dict) and (
        set(item) in ({"text"}, {"json"}) or (item.get("type") in ("text", "output_text") and "text" in item)
    )


def _parse_result(item: dict[str, Any], content: Content) -> None:
    identity = next(
        (item[key] for key in ("tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "call_id", "id", "ref") if item.get(key)), ""
    )
    value = next((item[key] for key in ("response", "result", "output", "content", "error") if item.get(key) is not None), "")
    content.results.append((as_word(identity), as_word(item.get("name") or item.get("toolName")), result_text(value)))


def _reference(value: Any, depth: int = 0) -> str:
    """Where a medium is: its address, or the digest and size of its bytes."""
    if isinstance(value, str):
        if not _ADDRESS.match(value[:100]) or len(value) > 2048:
            return f"sha256:{hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()} characters:{len(value)}"
        return clean_text(value)
    if isinstance(value, list):
        raw = repr(value).encode()
        return f"sha256:{hashlib.sha256(raw).hexdigest()} items:{len(value)}"
    if isinstance(value, dict) and depth < 6:
        keys = ("url", "uri", "fileUri", "file_uri", "file_id", "data", "bytes", "content", "image_url", "image", "audio", "source", "file")
        return next((_reference(value[key], depth + 1) for key in keys if value.get(key)), "")
    return ""


def _add_media(kind: str, value: Any, content: Content) -> None:
    content.media.append({"kind": kind.replace("-", "_") or "file", "reference": _reference(value)})


def _add_text(text: str, content: Content) -> None:
    if "@@@langfuseMedia:" in text:
        for token in _LANGFUSE_MEDIA.findall(text):
            content.media.append({"kind": "langfuse", "reference": token.strip("@")})
    content.texts.append(clean_text(text))


def add_content(value: Any, content: Content, depth: int = 0) -> None:
    """Add a content value of any shape: text, a part, or a list of parts."""
    if value is None or value == "":
        return
    if isinstance(value, str):
        _add_text(value, content)
    elif depth > MAX_DEPTH:
        content.problems.append("too-deep")
    elif isinstance(value, (list, tuple)):
        for item in value:
            add_content(item, content, depth + 1)
    elif isinstance(value, dict):
        _add_part(value, content, depth)
    else:
        content.texts.append(compact_json(value))


def _add_part(part: dict[str, Any], content: Content, depth: int) -> None:
    """Add one part, by its type, else by the key that wraps it."""
    raw = part.get("type") if part.get("type") is not None else part.get("kind")
    # Microsoft.Extensions.AI names the kinds that OpenTelemetry has no word for by their class, with its namespace.
    kind = raw.lower().removeprefix("microsoft.extensions.ai.") if isinstance(raw, str) else ""
    if kind in _REASONING:
        text = next((part[key] for key in ("text", "thinking", "content", "reasoning", "summary") if part.get(key)), "")
        text = text.get("text") if isinstance(text, dict) else text
        inner = Content()
        add_content(text, inner, depth + 1)
        content.reasoning += inner.texts + inner.reasoning
    elif kind in _CALLS:
        _add_call(part, content)
    elif kind in _RESULTS:
        _parse_result(part, content)
    elif kind in _MEDIA:
        _add_media(kind, part, content)
    elif kind in _TEXT and (key := next((k for k in ("text", "content", "value", "refusal") if part.get(k) is not None), None)):
        add_content(part[key], content, depth + 1)
    elif not kind or kind == "json":
        _add_wrapped(part, content)
    elif kind in _TEXT or kind in ("step-start", "finish", "cachepoint", "source", "source-url", "item_reference"):
        return
    else:
        content.problems.append("unknown-part")


def _add_call(part: dict[str, Any], content: Content) -> None:
    call = parse_call(part)
    if call is None:
        content.problems.append("bad-tool-call")
    else:
        content.calls.append(call)


def _add_wrapped(part: dict[str, Any], content: Content) -> None:
    """Add a part that has no type: Bedrock, Gemini and Genkit name it by the one key that it has."""
    for name in _WRAPPED_CALLS:
        if isinstance(part.get(name), dict):
            _add_call(part[name], content)
            return
    if isinstance(part.get("function_call"), dict):
        _add_call(part["function_call"], content)
        return
    for name in _WRAPPED_RESULTS:
        if isinstance(part.get(name), dict):
            _parse_result(part[name], content)
            return
    for name in _WRAPPED_MEDIA:
        if isinstance(part.get(name), (dict, list)) or (name in ("image", "media") and isinstance(part.get(name), str)):
            _add_media(name, part[name], content)
            return
    reasoning = as_object(part.get("reasoningContent") or part.get("reasoning"))
    if reasoning:
        content.reasoning.append(clean_text(str(as_object(reasoning.get("reasoningText")).get("text") or reasoning.get("text") or "")))
        return
    if "cachePoint" in part:
        return
    content.texts.append(compact_json(part["json"] if set(part) == {"json"} else part))
