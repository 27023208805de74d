"""Which call of a trace is its answer, and what the user asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from steps.chat.contexts import split_prompt
from steps.chat.generation import Generation, input_of, output_of
from steps.chat.messages import Message, parse_conversation
from steps.chat.span import Span
from steps.chat.span_kind import GENERATION, SIDE_KINDS, kind_of
from steps.chat.values import decode_json

AnswerSource = Literal["root-match", "main-path", "none"]
SIDE_STEPS = frozenset(
    {"title", "titles", "tag", "tags", "followup", "followups", "suggestion", "suggestions", "memory", "guardrail", "guardrails", "judge"}
    | {"moderation", "evaluator", "classifier", "router", "rerank", "summarizer"}
)
_WORDS = re.compile(r"[A-Za-z]+")


@dataclass(slots=True)
class Answer:
    """The generation that is a trace's answer; None when no rule names one."""

    generation: Generation | None
    source: AnswerSource


def find_root(spans: list[Span]) -> Span:
    """The outermost span: marked as the app's root, else without a parent here; of several the one that holds the others in time."""
    ids = {span.span_id for span in spans}

    def rank(span: Span) -> tuple[bool, bool, bool, int, int]:
        is_marked = decode_json(span.attributes.get("langfuse.internal.is_app_root")) in (True, "true")
        return (bool(span.span_id), not is_marked, bool(span.parent_id) and span.parent_id in ids, span.start_ns, -span.end_ns)

    return min(spans, key=rank)


def outer_spans(root: Span, spans: list[Span], generation: Generation) -> list[Span]:
    """The root and the spans between it and a call, outermost first, without model calls."""
    by_id = {span.span_id: span for span in spans if span.span_id}
    path: list[Span] = []
    parent = generation.parent_id
    while parent in by_id and by_id[parent] not in path:
        path.append(by_id[parent])
        parent = by_id[parent].parent_id
    if root not in path and root.span_id != generation.span_id:
        path.append(root)
    return [span for span in reversed(path) if kind_of(span) != GENERATION or span is root]


def own_words(root: Span, spans: list[Span], generation: Generation) -> str | None:
    """The user's own words as the outermost span that has an input tells them; None when none does."""
    prompts = [" ".join(message["content"].split()) for message in generation.messages if message["role"] == "user"]
    for span in outer_spans(root, spans, generation):
        text = user_text_of(span)
        # Decorators write arguments of the app's functions as input: what the prompt does not hold is not the user's words.
        is_told = any(span.attributes.get(key) for key in ("langfuse.observation.input", "gen_ai.input.messages"))
        is_document = text is not None and text[:1] in ("{", "[") and isinstance(decode_json(text), (dict, list))
        if text and (not any(prompts) or (is_told and not is_document) or any(" ".join(text.split()) in prompt for prompt in prompts)):
            return text
    return None


def user_text_of(span: Span) -> str | None:
    """The user's words in the input of one span; None without any."""
    whole = span.attributes.get("input.value") if kind_of(span) != GENERATION else None
    # OpenInference repeats only the first message of a chain's input in attributes of its own.
    messages = parse_conversation(whole).messages if whole else input_of(span).messages
    users = [message["content"].strip() for message in messages if message["role"] == "user"]
    return users[-1] if users and users[-1] else None


def _text(span: Span) -> str:
    turn = output_of(span).messages
    return " ".join(turn[0]["content"].split()) if turn else ""


def _below_side(generation: Generation, spans: dict[str, Span]) -> bool:
    """Whether a call was made inside a tool, a guardrail, an evaluator or the like."""
    seen: set[str] = set()
    parent = generation.parent_id
    while parent and parent in spans and parent not in seen:
        seen.add(parent)
        if kind_of(spans[parent]) in SIDE_KINDS:
            return True
        parent = spans[parent].parent_id
    return False


def _is_side_step(generation: Generation, side_steps: frozenset[str]) -> bool:
    names = f"{generation.step} {generation.agent}"
    return bool(side_steps & {word.casefold() for word in _WORDS.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", names))})


def _common_prefix(one: list[Message], other: list[Message]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def find_answer(root: Span, spans: list[Span], generations: list[Generation], side_steps: frozenset[str] = SIDE_STEPS) -> Answer:
    """The call that answered: the one whose words the root or its agent returned, else the last one on the main path."""
    own = {generation.span_id for generation in generations}
    outer = [root, *(span for span in spans if kind_of(span) == "agent")]
    for span in outer:
        if span.span_id in own and span is not root:
            continue
        text = _text(span) if span.span_id not in own else ""
        matches = [generation for generation in generations if text and " ".join(generation.text.split()) == text]
        if matches:
            return Answer(max(matches, key=lambda item: (item.end_ns, item.start_ns, item.span_id)), "root-match")
    by_id = {span.span_id: span for span in spans}
    path = [
        generation
        for generation in generations
        if generation.text.strip()
        and not generation.calls
        and not generation.error
        and not _below_side(generation, by_id)
        and not _is_side_step(generation, side_steps)
    ]
    if not path:
        return Answer(None, "none")
    longest = max(generations, key=lambda item: (len(item.messages), -item.start_ns)).messages
    asked = user_text_of(root) if root.span_id not in own else None

    def rank(item: Generation) -> tuple[bool, int, int, int, str]:
        holds_question = asked is not None and any(asked in message["content"] for message in item.messages)
        return (holds_question, _common_prefix(item.messages, longest), item.end_ns, item.start_ns, item.span_id)

    return Answer(max(path, key=rank), "main-path")


def find_question(asked: str | None, answer: Generation) -> str:
    """The user's question: his own words where an outer span has them, else the last user message of the prompt, without its sections."""
    if asked:
        return split_prompt(asked)[1] if _is_template(asked, answer) else asked
    users = [message["content"] for message in answer.messages if message["role"] == "user" and message["content"].strip()]
    return split_prompt(users[-1])[1] or users[-1].strip() if users else ""


def _is_template(asked: str, answer: Generation) -> bool:
    """Whether the root's input is the filled prompt itself, not the user's words."""
    return any(message["content"].strip() == asked for message in answer.messages if message["role"] == "user")
