"""Search for the retrieved contexts of a trace, and for the question without them.

The order of precedence is retriever spans; attributes, metadata or input keys; sections of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from steps.chat.content import result_text
from steps.chat.messages import Message, is_message, parse_conversation
from steps.chat.span import Span
from steps.chat.span_kind import kind_of
from steps.chat.values import clean_text, decode_json

CONTEXT_KEYS = ("retrieved_contexts", "contexts", "context", "documents", "knowledge")
_LIST_KEYS = (
    "documents",
    "results",
    "chunks",
    "hits",
    "matches",
    "passages",
    "contexts",
    "retrieved_contexts",
    "docs",
    "data",
    "nodes",
    "output",
)
_TOOL_RESULTS = (
    *(
        "gen_ai.tool.call.result",
        "gen_ai.tool.output",
        "ai.toolCall.result",
        "tool_response",
        "langfuse.observation.output",
        "output.value",
    ),
    *("traceloop.entity.output", "genkit:output", "mlflow.spanOutputs", "gcp.vertex.agent.tool_response", "tool.output"),
)
_DOCUMENT_TEXT = ("content", "page_content", "text", "document.content", "chunk", "passage", "body", "value")
_INDEXED = re.compile(r"retrieval\.documents\.(\d+)\.document\.content$")
_TAG = re.compile(r"<(contexts?|documents?|knowledge)>", re.IGNORECASE)
_QUESTION = re.compile(r"(?:^|\n)[ \t]*(?:#+[ \t]*|\*\*)?(?:user )?(?:question|query|질문)(?:\*\*)?\s*:(?:\*\*)?\s*", re.IGNORECASE)
_SECTION = re.compile(
    r"(?:^|\n)[ \t]*(?:#+[ \t]*|\*\*)?(?:retrieved )?"
    r"(?:contexts?|knowledge|documents|passages|references|background|참고 ?자료|참고 ?문서|컨텍스트|지식)(?:\*\*)?[ \t]*:(?:\*\*)?",
    re.IGNORECASE,
)
_SECTION_END = re.compile(r"\n[ \t]*(?:#+[ \t]*|\*\*)?(?:answer|답변|response|assistant|instructions?|task)(?:\*\*)?[ \t]*:", re.IGNORECASE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\[?\d{1,3}[\].)])[ \t]+", re.MULTILINE)


def parse_documents(value: Any, depth: int = 0) -> list[str]:
    """Texts of retrieved documents: texts, objects with content, or an object that lists them."""
    value = decode_json(value)
    if depth > 6 or value is None:
        return []
    if isinstance(value, str):
        return [clean_text(value).strip()] if value.strip() else []
    if isinstance(value, list):
        return [text for item in value for text in parse_documents(item, depth + 1)]
    if isinstance(value, dict):
        for key in _DOCUMENT_TEXT:
            if isinstance(value.get(key), (str, list)) and value[key]:
                return [clean_text(value[key]).strip()] if isinstance(value[key], str) else parse_documents(value[key], depth + 1)
        inner = value.get("document") or next((value[key] for key in _LIST_KEYS if value.get(key)), None)
        return parse_documents(inner, depth + 1)
    return []


def is_retriever(span: Span) -> bool:
    """Whether a span fetched documents."""
    return kind_of(span) in ("retriever", "reranker") or "gen_ai.retrieval.documents" in span.attributes


def _of_retriever(span: Span) -> list[str]:
    a = span.attributes
    if "gen_ai.retrieval.documents" in a:
        return parse_documents(a["gen_ai.retrieval.documents"])
    indexed = sorted((int(match[1]), value) for key, value in a.items() if (match := _INDEXED.match(key)))
    if indexed:
        return [text for _, value in indexed for text in parse_documents(value)]
    for key in ("langfuse.observation.output", "output.value", "traceloop.entity.output", "mlflow.spanOutputs"):
        if a.get(key):
            return parse_documents(a[key])
    for _, event in span.events:
        if "gen_ai.retrieval.documents" in event:
            return parse_documents(event["gen_ai.retrieval.documents"])
    return []


def _of_attributes(span: Span) -> list[str]:
    """Contexts under one of the usual names: as attribute, as metadata, or as a key of the input."""
    a = span.attributes
    prefixes = ("", "ctp.", "gen_ai.", "langfuse.trace.metadata.", "langfuse.observation.metadata.", "langfuse.metadata.", "metadata.")
    for name in CONTEXT_KEYS:
        for prefix in prefixes:
            if a.get(prefix + name):
                return parse_documents(a[prefix + name])
    for key in (
        "langfuse.observation.input",
        "input.value",
        "traceloop.entity.input",
        "mlflow.spanInputs",
        "metadata",
        "langfuse.trace.metadata",
    ):
        value = decode_json(a.get(key))
        if isinstance(value, dict) and isinstance(value.get("kwargs"), dict):
            value = value["kwargs"]
        if isinstance(value, dict):
            for name in CONTEXT_KEYS:
                if value.get(name):
                    return parse_documents(value[name])
    return []


def _bullets(section: str) -> list[str]:
    """A section's entries: bullets or numbers when it has them, else the whole text."""
    section = section.strip()
    if not section:
        return []
    starts = [match.start() for match in _BULLET.finditer(section)]
    if not starts or section[: starts[0]].strip():
        return [section]
    parts = [section[a:b] for a, b in zip(starts, [*starts[1:], len(section)], strict=True)]
    return [text for part in parts if (text := _BULLET.sub("", part, count=1).strip())]


def _split_tags(text: str) -> tuple[list[str], str]:
    """Bodies of `<context>…</context>` and the like, and the text without them; one pass, whatever the nesting."""
    bodies, rest, position = [], [], 0
    lower = text.lower() if "</" in text else ""
    while lower and (mark := _TAG.search(text, position)):
        end = lower.find(f"</{mark[1].lower()}>", mark.end())
        if end < 0:
            break
        rest.append(text[position : mark.start()])
        bodies.append(text[mark.end() : end])
        position = end + len(mark[1]) + 3
    return bodies, "".join((*rest, text[position:]))


def split_prompt(text: str) -> tuple[list[str], str]:
    """(contexts, question) of a prompt with a context section; ([], the text) when it has none."""
    tagged, rest = _split_tags(text)
    if tagged:
        marks = list(_QUESTION.finditer(rest))
        return [entry for body in tagged for entry in _bullets(body)], (rest[marks[-1].end() :] if marks else rest).strip()
    section = _SECTION.search(text)
    if section is None:
        mark = _QUESTION.match(text)
        return [], text[mark.end() :].strip() if mark else text.strip()
    mark = next(iter(_QUESTION.finditer(text, section.end())), None)
    before = list(_QUESTION.finditer(text, 0, section.start()))
    if mark is not None:
        body, question = text[section.end() : mark.start()], text[mark.end() :]
    elif before:
        body, question = text[section.end() :], text[before[-1].end() : section.start()]
    else:
        return _bullets(text[section.end() :]), text[: section.start()].strip()
    end = _SECTION_END.search(question)
    body_end = _SECTION_END.search(body)
    return _bullets(body[: body_end.start()] if body_end else body), (question[: end.start()] if end else question).strip()


def _of_tools(span: Span) -> list[str]:
    """Result of a tool span."""
    a = span.attributes
    for key in _TOOL_RESULTS:
        if a.get(key) not in (None, ""):
            value = decode_json(a[key])
            messages = parse_conversation(value, "tool").messages if is_message(value) else []
            text = messages[0]["content"] if messages else result_text(value)
            return [text] if text else []
    return []


def find_contexts(spans: list[Span], messages: Iterable[Message], user_text: str | None, *, trust_prompts: bool = False) -> list[str]:
    """Evidence of a trace: retrieved passages, then results of tools; each text once, in order.

    What a user typed is never evidence. A section of the prompt counts when the app put it there: in the system message,
    or in a user message whose own words are known from the root span and do not hold it.

    Args:
        spans: all spans of the trace.
        messages: prompt of the answer.
        user_text: the user's own words as the root span has them; None when nothing tells them.
        trust_prompts: a section of a user message counts when nothing tells the user's own words, too.
    """
    messages = list(messages)
    contexts = [text for span in spans if is_retriever(span) for text in _of_retriever(span)]
    if not contexts:
        contexts = next((texts for span in spans if (texts := _of_attributes(span))), [])
    if not contexts:
        contexts = _of_prompt(messages, "" if user_text is None and trust_prompts else user_text)
    results = [text for message in messages if message["role"] == "tool" and (text := message["content"].strip())]
    if not results:
        # A prompt holds the results as the model saw them; spans of tools wrap them in many ways.
        results = [text for span in spans if kind_of(span) == "tool" for text in _of_tools(span)]
    return list(dict.fromkeys(text for text in (*contexts, *results) if text))


def _of_prompt(messages: list[Message], user_text: str | None) -> list[str]:
    """Sections of the prompt that the app wrote."""
    last: dict[str, str] = {message["role"]: message["content"] for message in messages}
    if user_text is not None:
        sections = [text for text in split_prompt(last.get("user", ""))[0] if text not in user_text]
        if sections:
            return sections
    return split_prompt(last.get("system", ""))[0]
