"""Model calls that two spans tell: an outer and an inner one, or two instrumentations. They become one call."""

from __future__ import annotations

from collections.abc import Iterable

from steps.chat.generation import Generation
from steps.chat.values import compact_json, decode_json


def output_key(generation: Generation) -> str:
    """The assistant's turn as one text: words, names of calls and their arguments; equal for equal turns."""
    calls = [(call["function"]["name"], _canonical(call["function"]["arguments"])) for call in generation.calls]
    return compact_json([" ".join(generation.text.split()), calls])


def _canonical(arguments: str) -> str:
    decoded = decode_json(arguments)
    return compact_json(dict(sorted(decoded.items())) if isinstance(decoded, dict) else decoded)


def _contains(outer: Generation, inner: Generation) -> bool:
    """Whether the interval of one holds that of the other; unknown times do not contradict."""
    if not (outer.start_ns and inner.start_ns and outer.end_ns and inner.end_ns):
        return True
    slack_ns = 2_000_000  # Langfuse cuts times to milliseconds
    return outer.start_ns - slack_ns <= inner.start_ns and inner.end_ns <= outer.end_ns + slack_ns


def merge_same_calls(generations: list[Generation], parents: dict[str, str]) -> list[Generation]:
    """One generation for every model call.

    Two are one call when they carry the same response id and the same turn, or when one is an ancestor of the other, holds
    it in time and has the same turn. The deeper one stays, unless it knows less of the prompt; what it lacks it takes from
    the other, but for the tokens.

    Args:
        generations: of one trace, in the order of time.
        parents: parent of every span of the trace.
    """
    depth = {generation.span_id: len(_ancestors(generation.span_id, parents)) for generation in generations}
    kept: list[Generation] = []
    for generation in sorted(generations, key=lambda item: (depth[item.span_id], item.start_ns, item.span_id)):
        other = next((item for item in kept if _is_same(item, generation, parents)), None)
        if other is None:
            kept.append(generation)
            continue
        richer, poorer = (generation, other) if len(generation.messages) >= len(other.messages) else (other, generation)
        _fill(richer, poorer)
        kept[kept.index(other)] = richer
    return sorted(kept, key=lambda item: (item.start_ns, item.end_ns, item.span_id))


def second_tellings(traces: Iterable[tuple[str, list[Generation]]]) -> dict[str, str]:
    """Traces that hold nothing but a call that another trace tells, too, with the id of that trace.

    Two instrumentations side by side put one call into two traces; the one whose span has no parent says nothing of the rest.
    """
    owners: dict[tuple[str, str], str] = {}
    alone: list[tuple[str, Generation]] = []
    for trace_id, generations in traces:
        if len(generations) == 1 and not generations[0].parent_id:
            alone.append((trace_id, generations[0]))
            continue
        for generation in generations:
            if generation.response_id:
                owners.setdefault((generation.response_id, output_key(generation)), trace_id)
    keys = ((trace_id, generation.response_id, generation) for trace_id, generation in alone if generation.response_id)
    pairs = ((trace_id, owners.get((response_id, output_key(generation)))) for trace_id, response_id, generation in keys)
    return {trace_id: owner for trace_id, owner in pairs if owner}


def _ancestors(span_id: str, parents: dict[str, str]) -> list[str]:
    """Ids of the spans above, nearest first; a circle ends the walk."""
    result: list[str] = []
    while (span_id := parents.get(span_id, "")) and span_id not in result:
        result.append(span_id)
    return result


def _is_same(outer: Generation, inner: Generation, parents: dict[str, str]) -> bool:
    if not inner.output and not outer.output:
        return False
    is_nested = outer.span_id in _ancestors(inner.span_id, parents)
    same_response = bool(inner.response_id) and inner.response_id == outer.response_id
    if not (is_nested or same_response) or output_key(outer) != output_key(inner):
        return False
    if is_nested:
        return _contains(outer, inner)
    # A server that numbers its answers anew, or a cached answer, repeats an id: the prompts must agree, too.
    return _contains(outer, inner) and [message["content"] for message in outer.messages] == [
        message["content"] for message in inner.messages
    ]


def _fill(richer: Generation, poorer: Generation) -> None:
    """Complete what the kept span does not tell."""
    for name in ("tools", "parameters", "model_requested", "model_answered", "response_id", "agent"):
        if not getattr(richer, name):
            setattr(richer, name, getattr(poorer, name))
    if richer.finish_reason == "unknown":
        richer.finish_reason = poorer.finish_reason
    if not richer.usage.input and not richer.usage.output:
        richer.usage = poorer.usage
