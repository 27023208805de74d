"""A small server that speaks OpenAI's chat completions, responses and embeddings, and knows one conversation.

With tools on offer and no result yet it calls `get_weather`; after a result it answers. A schema makes it answer in JSON.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from tools.captures.post_handler import PostHandler

ANSWER = "ANSWER: It is sunny, 21 degrees in Seoul."
OBJECT = '{"city":"Seoul","degrees":21}'
ARGUMENTS = '{"city": "Seoul"}'
MODEL = "gpt-4o-2025"
CREATED = 1795827360
CHAT_USAGE = {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52}
RESPONSE_USAGE = {
    "input_tokens": 40,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 52,
}
Json = dict[str, Any]


def choose_call(names: list[str], forced: str | None, has_result: bool) -> tuple[str, str] | None:
    """Name and arguments of the tool call that is due, or None where text is.

    Other tools than the weather's are how a framework asks for its final answer, as text or as an object.
    """
    # Semantic Kernel puts its plugin's name in front.
    weather = [name for name in names if name.endswith("get_weather")]
    others = [name for name in names if name not in weather]
    if weather and not has_result and forced in (None, "required", *weather):
        return weather[0], ARGUMENTS
    if "final_answer" in others:
        return "final_answer", json.dumps({"answer": ANSWER})
    if forced in others or (others and forced == "required"):
        return next(name for name in others if forced in (name, "required")), OBJECT
    return ("final_result", OBJECT) if "final_result" in others else None


def complete_chat(body: Json) -> Json:
    """The answer to POST /chat/completions."""
    names = [tool["function"]["name"] for tool in body.get("tools") or () if "function" in tool]
    choice = body.get("tool_choice")
    forced = choice["function"]["name"] if isinstance(choice, dict) else ("required" if choice == "required" else None)
    # Some frameworks write the result into a user's message.
    has_result = any(
        message["role"] == "tool" or (message["role"] == "user" and "Observation:" in json.dumps(message["content"]))
        for message in body["messages"]
    )
    call = choose_call(names, forced, has_result)
    message: Json = {"role": "assistant", "content": None, "refusal": None}
    if call:
        name, arguments = call
        message["tool_calls"] = [
            {"id": f"call_{2 if has_result else 1}", "type": "function", "function": {"name": name, "arguments": arguments}}
        ]
    else:
        wants_json = (body.get("response_format") or {}).get("type", "text") != "text"
        message["content"] = OBJECT if wants_json else ANSWER
    finish = "tool_calls" if call else "stop"
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:24]}",
        "object": "chat.completion",
        "created": CREATED,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": CHAT_USAGE,
    }


def stream_chat(answer: Json) -> Iterator[Json]:
    """The same answer in pieces; text and arguments come in two each."""
    (choice,) = answer["choices"]
    message = choice["message"]
    deltas: list[Json] = [{"role": "assistant", "content": None if message.get("tool_calls") else ""}]
    if text := message["content"]:
        deltas += [{"content": text[:8]}, {"content": text[8:]}]
    for call in message.get("tool_calls", ()):
        arguments = call["function"]["arguments"]
        deltas.append({"tool_calls": [{**call, "index": 0, "function": {**call["function"], "arguments": arguments[:5]}}]})
        deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": arguments[5:]}}]})
    head = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}], "usage": None}
    yield {**head, "choices": [], "usage": answer["usage"]}


def respond(body: Json) -> Json:
    """The answer to POST /responses."""
    names = [tool["name"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    items = body["input"] if isinstance(body["input"], list) else []
    call = choose_call(names, None, any(item.get("type") == "function_call_output" for item in items))
    identifier = uuid.uuid4().hex[:24]
    if call:
        name, arguments = call
        item: Json = {"id": f"fc_{identifier}", "type": "function_call", "call_id": "call_1", "name": name, "arguments": arguments}
    else:
        wants_json = (body.get("text") or {}).get("format", {}).get("type", "text") != "text"
        part = {"type": "output_text", "text": OBJECT if wants_json else ANSWER, "annotations": [], "logprobs": []}
        item = {"id": f"msg_{identifier}", "type": "message", "role": "assistant", "content": [part]}
    return {
        "id": f"resp_{identifier}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "model": MODEL,
        "output": [item | {"status": "completed"}],
        "usage": RESPONSE_USAGE,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": body.get("temperature", 1.0),
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
    }


def stream_response(answer: Json) -> Iterator[Json]:
    """The same response as events."""
    (item,) = answer["output"]
    place = {"item_id": item["id"], "output_index": 0}
    yield {"type": "response.created", "response": answer | {"status": "in_progress", "output": [], "usage": None}}
    if item["type"] == "message":
        (part,) = item["content"]
        yield {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": [], "status": "in_progress"}}
        yield {"type": "response.content_part.added", **place, "content_index": 0, "part": part | {"text": ""}}
        for piece in (part["text"][:8], part["text"][8:]):
            yield {"type": "response.output_text.delta", **place, "content_index": 0, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "content_index": 0, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **place, "content_index": 0, "part": part}
    else:
        yield {"type": "response.output_item.added", "output_index": 0, "item": item | {"arguments": "", "status": "in_progress"}}
        yield {"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"], "name": item["name"]}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": answer}


def embed(body: Json) -> Json:
    """The answer to POST /embeddings."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [{"object": "embedding", "index": index, "embedding": [0.1, 0.2, 0.3]} for index in range(len(texts))]
    return {"object": "list", "model": "text-embedding-3-small", "data": data, "usage": {"prompt_tokens": 5, "total_tokens": 5}}


class FakeOpenAI(PostHandler):
    """One request; a body with `stream` is answered as server-sent events."""

    def do_POST(self) -> None:
        """Answer by the end of the path."""
        body = json.loads(self.read_body())
        if self.path.endswith("/embeddings"):
            answer, text = embed(body), ""
        elif self.path.endswith("/responses"):
            answer = respond(body)
            events = [{**event, "sequence_number": number} for number, event in enumerate(stream_response(answer))]
            text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        else:
            answer = complete_chat(body)
            text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in stream_chat(answer)) + "data: [DONE]\n\n"
        if body.get("stream"):
            self.send("text/event-stream", text.encode())
        else:
            self.send("application/json", json.dumps(answer).encode())
