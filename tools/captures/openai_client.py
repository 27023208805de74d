"""The agent on OpenAI's bare client, for whatever instruments that client."""

from __future__ import annotations

from typing import Any

from conversation import MESSAGES, OBJECT_FORMAT, PICTURE_MESSAGES, QUESTION, SYSTEM, TOOLS, WEATHER


def ask(client: Any, stream: bool = False, **body: Any) -> dict[str, Any]:
    """One model call; gives the assistant's message."""
    body = {"model": "gpt-4o", "temperature": 0.2, **body}
    if not stream:
        return client.chat.completions.create(**body).choices[0].message.model_dump(exclude_none=True)
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for chunk in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **body):
        for choice in chunk.choices:
            message["content"] += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                part = call.model_dump(exclude_none=True, exclude={"index"})
                if "tool_calls" in message:
                    message["tool_calls"][0]["function"]["arguments"] += part["function"]["arguments"]
                else:
                    message["tool_calls"] = [part]
    return message


def run_agent(client: Any, stream: bool = False) -> str:
    """Model, tool, model."""
    messages = list(MESSAGES)
    while (message := ask(client, stream, messages=messages, tools=TOOLS)).get("tool_calls"):
        messages += [message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": WEATHER}]
    return message["content"]


def ask_for_object(client: Any) -> str:
    """An answer by schema."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    return ask(client, messages=messages, response_format=OBJECT_FORMAT)["content"]


def ask_about_picture(client: Any) -> str:
    """A question beside a picture."""
    return ask(client, messages=PICTURE_MESSAGES)["content"]


# Name of the application's span -> what happens in it.
TRACES = {
    "agent": run_agent,
    "agent-stream": lambda client: run_agent(client, stream=True),
    "object": ask_for_object,
    "picture": ask_about_picture,
}
