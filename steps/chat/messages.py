"""Messages of a model call in OpenAI chat form, from the input and output values of every known client.

A message is `{"role", "content"}` with text content, and where it has them `tool_calls` (arguments as JSON text),
`tool_call_id`, `name` and `reasoning_content`. Nothing here raises: what has no meaning becomes a problem of its row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steps.chat.content import Content, ToolCall, add_content, parse_call
from steps.chat.tools import parse_tools
from steps.chat.values import MAX_DEPTH, as_object, as_word, clean_text, compact_json, decode_json, decode_twice

Message = dict[str, Any]
_ROLES = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "developer": "system",
    "function": "tool",
    "humanmessage": "user",
    "aimessage": "assistant",
    "systemmessage": "system",
    "toolmessage": "tool",
    "functionmessage": "tool",
    "aimessagechunk": "assistant",
    "humanmessagechunk": "user",
    "chatmessage": "user",
    "chat": "user",
    "instructions": "system",
    # smolagents writes calls and results as text, and the model saw them as plain turns.
    "tool-call": "assistant",
    "tool-response": "user",
    "tool_call": "assistant",
    "tool_response": "user",
    "agent": "assistant",
    "chatbot": "assistant",
    "customer": "user",
}
_ITEM_KINDS = frozenset(
    {"function_call", "function_call_output", "reasoning", "custom_tool_call", "custom_tool_call_output", "computer_call"}
)
_TEXT_KEYS = ("question", "query", "user_input", "input", "prompt", "text", "content", "message", "inputs", "value", "task", "user")


@dataclass(slots=True)
class Conversation:
    """Messages of one model call, with what came along with them.

    Attributes:
        messages: in order, in OpenAI form.
        tools: tool definitions that stood among the messages.
        media: kind and reference of pictures, sound and files.
        problems: reasons why the row cannot be trained on.
        finish_reason: why generation stopped, as the value says it; "" when it does not.
        response_id: the provider's id of the answer; "" without one.
        usage: token counts under the provider's names.
        model: model that answered, as the value says it.
    """

    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    media: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    finish_reason: str = ""
    response_id: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    model: str = ""


def _unwrap(item: dict[str, Any]) -> dict[str, Any]:
    """The message inside LangChain's, Langfuse's and OpenAI's envelopes."""
    for _ in range(4):
        if isinstance(item.get("message"), dict) and "role" not in item:
            finish = item.get("finish_reason") or item.get("finishReason")
            item = {**item["message"], **({"finish_reason": finish} if finish else {})}
        elif isinstance(item.get("kwargs"), dict) and ("lc" in item or "id" in item):
            path = item.get("id")
            name = path[-1] if isinstance(path, list) and path else ""
            item = {**item["kwargs"], "role": item["kwargs"].get("role") or _role_name(name) or item["kwargs"].get("type")}
        elif isinstance(item.get("data"), dict) and _role_name(item.get("type")) and "content" in item["data"]:
            item = {**item["data"], "role": item["type"]}
        else:
            break
    return item


def _role_name(value: Any) -> str:
    """The OpenAI role for a role, a message type or a class name; "" for no known one."""
    return _ROLES.get(value.strip().lower(), "") if isinstance(value, str) else ""


def is_message(item: Any) -> bool:
    """Whether a value looks like a chat message of any known shape."""
    if not isinstance(item, dict):
        return False
    item = _unwrap(item)
    if isinstance(item.get("role"), str) or isinstance(item.get("parts"), list) or item.get("type") in _ITEM_KINDS:
        return True
    return bool(_role_name(item.get("type")) and ("content" in item or "tool_calls" in item)) or (
        item.get("type") == "message" and "content" in item
    )


def _role_of(item: dict[str, Any], default: str, conversation: Conversation) -> str:
    raw = item.get("role")
    if isinstance(raw, str) and raw.strip():
        role = _role_name(raw)
        if not role and raw in _called_names(conversation.messages):
            # Langfuse's callback for LangChain in JavaScript writes the tool's name as the role of its result.
            return "tool"
        if not role:
            conversation.problems.append("unknown-role")
        return role or default
    return _role_name(item.get("type")) or default


def _called_names(messages: list[Message]) -> set[str]:
    """Names of the tools that the last assistant message called."""
    last = next((message for message in reversed(messages) if message["role"] == "assistant"), {})
    return {call["function"]["name"] for call in last.get("tool_calls", ())}


def _calls_of(item: dict[str, Any], content: Content) -> list[ToolCall]:
    """Tool calls of a message: those of its parts, else of the fields that clients use."""
    if content.calls:
        return content.calls
    extra = as_object(item.get("additional_kwargs"))
    for value in (item.get("tool_calls"), item.get("toolCalls"), extra.get("tool_calls"), item.get("invalid_tool_calls")):
        value = decode_json(value)
        if isinstance(value, list) and value:
            calls = [parse_call(call) if isinstance(call, dict) else None for call in value]
            content.problems += ["bad-tool-call"] * calls.count(None)
            return [call for call in calls if call is not None]
    legacy = item.get("function_call") or extra.get("function_call")
    if isinstance(legacy, dict) and (call := parse_call(legacy)) is not None:
        return [call]
    return []


def _is_tool_definition(item: dict[str, Any]) -> bool:
    """Langfuse's LangChain callback writes tool definitions as tool messages at the end of the prompt."""
    content = decode_json(item.get("content"))
    return item.get("role") == "tool" and isinstance(content, dict) and content.get("type") == "function" and "function" in content


def add_item(item: Any, default: str, conversation: Conversation) -> None:
    """Add the messages that one item of a list makes: one, or a tool message for each result in it."""
    if isinstance(item, str):
        if item:
            content = Content()
            add_content(item, content)
            conversation.messages.append({"role": default, "content": content.text})
            conversation.media += content.media
        return
    if not isinstance(item, dict):
        if item is not None:
            conversation.problems.append("unknown-message")
        return
    item = _unwrap(item)
    if _is_tool_definition(item):
        conversation.tools += parse_tools(decode_json(item["content"]))
        return
    content = Content()
    kind = item.get("type") if item.get("type") in _ITEM_KINDS and not item.get("role") else ""
    if kind:
        add_content({**item, "type": str(kind).replace("custom_tool_call", "function_call")}, content)
        role = "assistant"
    else:
        role = _role_of(item, default, conversation)
        body = next((item[key] for key in ("parts", "content", "contents", "text") if item.get(key) is not None), None)
        parts = decode_json(body) if role in ("tool", "assistant", "user") and _is_part_list(body) else body
        add_content(parts, content)
    conversation.finish_reason = finish_of(item) or conversation.finish_reason
    _append(item, role, content, conversation)


def _is_part_list(body: Any) -> bool:
    """Whether a text is a list of typed parts that a client wrote as JSON (Strands, Semantic Kernel)."""
    if not (isinstance(body, str) and body[:1] == "["):
        return False
    decoded = decode_json(body)
    keys = {"text", "toolUse", "toolResult", "type", "functionCall", "image"}
    return isinstance(decoded, list) and bool(decoded) and all(isinstance(part, dict) and keys & part.keys() for part in decoded)


def _append(item: dict[str, Any], role: str, content: Content, conversation: Conversation) -> None:
    """Append a parsed message; results inside a user or assistant message become tool messages."""
    calls = _calls_of(item, content)
    conversation.media += content.media
    conversation.problems += content.problems
    reasoning = "\n".join(content.reasoning) or next(
        (clean_text(item[key]) for key in ("reasoning_content", "reasoning", "thinking") if isinstance(item.get(key), str) and item[key]),
        "",
    )
    if role == "tool" and not content.results and not content.calls:
        identity = next((item[key] for key in ("tool_call_id", "toolCallId", "tool_use_id", "id", "call_id") if item.get(key)), "")
        text = content.text
        decoded = decode_json(text)
        text = compact_json(decoded) if isinstance(decoded, (dict, list)) else text
        content.results.append((as_word(identity), as_word(item.get("name")), text))
        content.texts = []
    message: Message = {"role": "user" if role == "tool" else role, "content": content.text}
    if calls:
        message["tool_calls"] = [call.as_openai() for call in calls]
        message["role"] = "assistant"
    if reasoning and message["role"] == "assistant":
        message["reasoning_content"] = reasoning
    has_own = bool(message["content"] or calls or "reasoning_content" in message)
    results = [{"role": "tool", "tool_call_id": identity, "content": text} for identity, _, text in content.results]
    own = [message] if has_own or not (results or content.media) else []
    # A call comes before its result; a user's words come after the results that travel with them.
    conversation.messages += own + results if message["role"] == "assistant" else results + own


def finish_of(item: dict[str, Any]) -> str:
    """The finish reason that a message or choice carries itself; "" without one."""
    info = as_object(item.get("response_metadata")) or as_object(item.get("generation_info"))
    for source in (item, info):
        for key in ("finish_reason", "finishReason", "stop_reason", "stopReason"):
            if isinstance(source.get(key), str) and source[key]:
                return as_word(source[key])
    return ""


def parse_conversation(value: Any, role: str = "user") -> Conversation:
    """The conversation of an input value: text, a message, a list of them, or a request that holds them."""
    conversation = Conversation()
    add_value(decode_twice(value), role, conversation, 0)
    merge_calls(conversation.messages)
    return conversation


def merge_calls(messages: list[Message]) -> None:
    """Join assistant messages that follow each other when one holds nothing but calls: Responses lists every item alone."""
    position = 1
    while position < len(messages):
        before, message = messages[position - 1], messages[position]
        joins = before["role"] == message["role"] == "assistant" and (
            ("tool_calls" in message and not message["content"]) or (not before["content"] and "tool_calls" not in before)
        )
        if not joins:
            position += 1
            continue
        before["content"] = before["content"] or message["content"]
        if "tool_calls" in message:
            before["tool_calls"] = [*before.get("tool_calls", ()), *message["tool_calls"]]
        if "reasoning_content" in message:
            before["reasoning_content"] = "\n".join(filter(None, (before.get("reasoning_content"), message["reasoning_content"])))
        del messages[position]


def add_value(value: Any, role: str, conversation: Conversation, depth: int) -> None:
    """Add the messages of a decoded value of any shape."""
    if value is None or value == "":
        return
    if depth > MAX_DEPTH:
        conversation.problems.append("too-deep")
    elif isinstance(value, str):
        add_item(value, role, conversation)
    elif isinstance(value, (list, tuple)):
        add_list(list(value), role, conversation, depth)
    elif isinstance(value, dict):
        _add_request(value, role, conversation, depth)
    else:
        add_item(compact_json(value), role, conversation)


def add_list(value: list[Any], role: str, conversation: Conversation, depth: int) -> None:
    """Add a list: of messages, of lists of messages (a batch: its first), of call items, or of parts of one message."""
    if value and all(_is_pair(item) for item in value):
        for pair_role, text in value:
            add_item({"role": pair_role, "content": text}, role, conversation)
    elif value and isinstance(value[0], (list, tuple)):
        add_list(list(value[0]), role, conversation, depth + 1)
    elif any(is_message(item) for item in value):
        for item in value:
            add_item(item, role, conversation)
    elif value and all(isinstance(item, dict) and parse_call(item) and ("toolName" in item or "function" in item) for item in value):
        calls = [call.as_openai() for item in value if (call := parse_call(item)) is not None]
        conversation.messages.append({"role": "assistant", "content": "", "tool_calls": calls})
    elif len(value) == 1:
        add_value(decode_json(value[0]), role, conversation, depth + 1)
    else:
        add_item({"role": role, "content": value}, role, conversation)


def _is_pair(item: Any) -> bool:
    """Whether a value is LangChain's short form of a message: (role, text)."""
    return isinstance(item, (list, tuple)) and len(item) == 2 and all(isinstance(part, str) for part in item) and bool(_role_name(item[0]))


def _add_system(value: Any, conversation: Conversation) -> None:
    """Add instructions that stand apart from the messages."""
    content = Content()
    decoded = decode_json(value)
    if isinstance(decoded, dict) and isinstance(decoded.get("parts"), list):
        decoded = decoded["parts"]
    if isinstance(decoded, list) and any(is_message(item) for item in decoded):
        decoded = [item.get("content", item.get("parts")) if isinstance(item, dict) else item for item in decoded]
    add_content(decoded, content)
    if content.text:
        conversation.messages.append({"role": "system", "content": content.text})


def _add_request(value: dict[str, Any], role: str, conversation: Conversation, depth: int) -> None:
    """Add an object: a request of any provider, a message, a mapping with a text, or an object that is text itself."""
    config = as_object(value.get("config"))
    for key in ("tools", "functions", "toolConfig"):
        if value.get(key):
            conversation.tools += parse_tools(value[key])
    if config.get("tools"):
        conversation.tools += parse_tools(config["tools"])
    instructions = next(
        (
            source[key]
            for source in (value, config)
            for key in ("system", "instructions", "system_instruction", "systemInstruction", "system_prompt")
            if source.get(key)
        ),
        None,
    )
    for key in ("messages", "contents", "chat_history", "history", "all_messages"):
        if isinstance(value.get(key), (list, str)) and value[key]:
            _add_system(instructions, conversation)
            add_value(decode_json(value[key]), role, conversation, depth + 1)
            if key in ("chat_history", "history"):
                last = next((value[name] for name in ("question", "query", "input", "message") if isinstance(value.get(name), str)), "")
                add_item(last, role, conversation)
            return
    if is_message(value):
        add_item(value, role, conversation)
        return
    if set(value) <= {"args", "kwargs"}:
        add_value(decode_json(value.get("args") or value.get("kwargs")), role, conversation, depth + 1)
        return
    _add_system(instructions, conversation)
    for key in _TEXT_KEYS:
        if value.get(key):
            add_value(decode_json(value[key]), role, conversation, depth + 1)
            return
    if value.get("tools") and not set(value) - {"tools", "system", "instructions", "config"}:
        return
    if value:
        add_item(compact_json(value), role, conversation)
