"""Tokens, request parameters, model names and finish reason of a model call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from steps.chat.values import as_count, as_object, as_word, decode_json

_FINISH_WORDS = {
    "stop": "stop end_turn endturn stop_sequence end eos eos_token complete completed finished",
    "length": "length max_tokens maxtokens max_output_tokens model_length incomplete model_context_window_exceeded",
    "tool_calls": "tool_calls tool_call tool-calls toolcalls tool_use tooluse function_call tool",
    "content_filter": "content_filter content-filter safety guardrail_intervened refusal recitation blocklist blocked",
    "error": "error failed malformed_function_call cancelled canceled aborted",
}
_FINISH = {word: reason for reason, words in _FINISH_WORDS.items() for word in words.split()}
_INPUT_COUNTS = (
    *("input", "prompt_tokens", "input_tokens", "inputTokens", "promptTokens", "promptTokenCount"),
    "prompt_token_count",
)
_OUTPUT_COUNTS = (
    *("output", "completion_tokens", "output_tokens", "outputTokens", "completionTokens", "candidatesTokenCount"),
    "candidates_token_count",
)
_PARAMETERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "topp": "top_p",
    "top_k": "top_k",
    "topk": "top_k",
    "max_tokens": "max_tokens",
    "maxtokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "maxoutputtokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "frequencypenalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "presencepenalty": "presence_penalty",
    "stop_sequences": "stop",
    "stopsequences": "stop",
    "stop": "stop",
}
_PARAMETER_PREFIXES = ("gen_ai.request.", "ai.settings.")
_PARAMETER_OBJECTS = ("langfuse.observation.model.parameters", "llm.invocation_parameters")


@dataclass(slots=True)
class Usage:
    """Token counts of one call; 0 when unknown. `input` holds `cached`, `output` holds `reasoning`."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0


def normalise_finish(reason: Any) -> str:
    """A provider's finish reason as stop, length, tool_calls, content_filter, error or unknown."""
    decoded = decode_json(reason)
    if isinstance(decoded, (list, tuple)):
        decoded = decoded[0] if decoded else ""
    if isinstance(decoded, dict):
        decoded = decoded.get("type") or decoded.get("unified") or decoded.get("reason")
    word = as_word(decoded).strip("\"'[]").lower().rpartition(".")[2]
    return _FINISH.get(word, "unknown")


def usage_of(a: dict[str, Any], carried: dict[str, Any]) -> Usage:
    """Token counts of a span; `carried` are those that its output value holds."""
    details = as_object(a.get("langfuse.observation.usage_details")) or as_object(a.get("langfuse.observation.usage")) or carried
    prompt = as_object(details.get("prompt_tokens_details") or details.get("input_tokens_details"))
    completion = as_object(details.get("completion_tokens_details") or details.get("output_tokens_details"))
    return Usage(
        input=as_count(
            a.get("gen_ai.usage.input_tokens"),
            a.get("gen_ai.usage.prompt_tokens"),
            a.get("llm.token_count.prompt"),
            a.get("llm.usage.prompt_tokens"),
            a.get("ai.usage.inputTokens"),
            a.get("ai.usage.promptTokens"),
            _first(details, *_INPUT_COUNTS),
        ),
        cached=as_count(
            a.get("gen_ai.usage.cache_read.input_tokens"),
            a.get("gen_ai.usage.details.cache_read_tokens"),
            a.get("gen_ai.usage.cache_read_input_tokens"),
            a.get("llm.token_count.prompt_details.cache_read"),
            a.get("ai.usage.cachedInputTokens"),
            _first(details, "input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "cachedContentTokenCount"),
            prompt.get("cached_tokens"),
        ),
        output=as_count(
            a.get("gen_ai.usage.output_tokens"),
            a.get("gen_ai.usage.completion_tokens"),
            a.get("llm.token_count.completion"),
            a.get("llm.usage.completion_tokens"),
            a.get("ai.usage.outputTokens"),
            a.get("ai.usage.completionTokens"),
            _first(details, *_OUTPUT_COUNTS),
        ),
        reasoning=as_count(
            a.get("gen_ai.usage.reasoning.output_tokens"),
            a.get("gen_ai.usage.details.reasoning_tokens"),
            a.get("llm.token_count.completion_details.reasoning"),
            a.get("ai.usage.reasoningTokens"),
            _first(details, "output_reasoning_tokens", "reasoning_tokens", "output_reasoning", "thoughtsTokenCount"),
            completion.get("reasoning_tokens"),
        ),
    )


def _first(details: dict[str, Any], *names: str) -> Any:
    return next((details[name] for name in names if details.get(name) is not None), None)


def parameters_of(a: dict[str, Any], config: Any = None) -> dict[str, Any]:
    """Request parameters under OpenAI's names; "Infinity" and other words that are no numbers are left out."""
    result: dict[str, Any] = {}

    def put(name: str, value: Any) -> None:
        key = _PARAMETERS.get(name.lower())
        value = decode_json(value)
        if isinstance(value, str):
            try:
                value = float(value) if "." in value else int(value)
            except ValueError:
                return
        if key and isinstance(value, (int, float, list)) and not isinstance(value, bool) and value == value and abs(as_float(value)) < 1e15:
            result.setdefault(key, value)

    for key, value in a.items():
        for prefix in _PARAMETER_PREFIXES:
            if key.startswith(prefix):
                put(key[len(prefix) :], value)
    for source in (*(a.get(key) for key in _PARAMETER_OBJECTS), config):
        for key, value in as_object(source).items() if source else ():
            put(key, value)
    return dict(sorted(result.items()))


def as_float(value: Any) -> float:
    """A number as a float; 0 for anything else and for what a float cannot hold."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0 if isinstance(value, list) else float("inf")


def first_word(a: dict[str, Any], keys: Iterable[str]) -> str:
    """The first attribute that holds a word, JSON quotes removed; "" without one."""
    for key in keys:
        value = a.get(key)
        if value is None:
            continue
        if isinstance(value, str) and value[:1] == '"':
            value = decode_json(value)
        if word := as_word(value):
            return word
    return ""
