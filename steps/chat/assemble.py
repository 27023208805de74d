"""Assembly of the spans of one trace id into one Trace, or into the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from steps.chat.answer import SIDE_STEPS, Answer, find_answer, find_question, find_root, own_words, user_text_of
from steps.chat.claims import claims_of
from steps.chat.contexts import find_contexts, is_retriever
from steps.chat.feedback import Verdict, Vote, combine, meaning_of, verdict_of
from steps.chat.generation import Generation, check, input_of, read_generation
from steps.chat.outputs import parse_output
from steps.chat.same_call import merge_same_calls
from steps.chat.span import Score, Span
from steps.chat.span_kind import GENERATION, SIDE_KINDS, kind_of
from steps.chat.trace import Trace, model_partition
from steps.chat.usage import first_word
from steps.chat.values import as_number, as_word, decode_json, decode_object
from steps.contract.config.feedback import FeedbackConfig

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_NS = 946_684_800 * 10**9  # 2000-01-01: earlier is a broken clock, and would be its own partition
_FUTURE_NS = 2 * 86_400 * 10**9  # a clock that is ahead by more than two days is broken
MAX_TEXT_CHARACTERS = 4_000_000
DEFAULT_RULES = FeedbackConfig()
_PRIVATE = re.compile(r"(?:^|\.)_[a-z]")
_VERSION_KEYS = (
    *("ctp.model_version", "gen_ai.response.model_version", "langfuse.trace.metadata.model_version"),
    *("langfuse.observation.metadata.model_version", "metadata.model_version", "model_version"),
)
_ENVIRONMENT_KEYS = ("langfuse.environment", "deployment.environment.name", "deployment.environment")
# Langfuse's own calls: judges and experiments are not traffic.
_OWN_ENVIRONMENTS = (
    *("langfuse-llm-as-a-judge", "langfuse-prompt-experiment", "langfuse-code-eval"),
    *("langfuse-natural-language-filter", "langfuse-in-app-agent"),
)


def _version(answering: Span | None, generations: list[Span], root: Span) -> str:
    """Version of the model: an attribute of its own, or else the service.version of the model server.

    An app's service.version is the app's: it counts only when the app is the only service.
    """
    spans = [*([answering] if answering else []), *generations]
    for span in (*spans, root):
        if version := first_word(span.attributes, _VERSION_KEYS):
            return version
    for span in spans:
        own, service = span.resource.get("service.version"), span.resource.get("service.name")
        if own and (span is root or service != root.resource.get("service.name")):
            return str(own)
    return ""


def feedback_of(spans: Iterable[Span], scores: Iterable[Score], rules: FeedbackConfig) -> float | None:
    """The users' verdict, 0-1, of all scores and evaluation events; None without one."""
    votes = []
    for score in scores:
        verdict = meaning_of(score, rules)
        if isinstance(verdict, Verdict):
            votes.append(Vote(verdict.name, score.author, score.at_ns, verdict.value))
    if not votes:
        for position, (name, event) in enumerate(event for span in spans for event in span.events):
            if name == "gen_ai.evaluation.result":
                title, label = as_word(event.get("gen_ai.evaluation.name")), as_word(event.get("gen_ai.evaluation.score.label"))
                verdict = verdict_of(title, "", as_number(event.get("gen_ai.evaluation.score.value")), label, "", rules)
                votes += [Vote(verdict.name, "", position, verdict.value)] if isinstance(verdict, Verdict) else []
    return combine(votes)


def _unique(spans: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """(spans without redeliveries by start time, the poorer deliveries); of two with one id the fuller counts."""
    by_id: dict[tuple[str, str], Span] = {}
    others: list[Span] = []
    for span in spans:
        other = by_id.get((span.source, span.span_id))
        if other is None:
            by_id[(span.source, span.span_id)] = span
            continue
        fuller, poorer = sorted((span, other), key=_fullness, reverse=True)
        fuller.events = fuller.events or poorer.events
        by_id[(span.source, span.span_id)] = fuller
        others.append(poorer)
    return sorted(by_id.values(), key=lambda span: (span.start_ns, span.end_ns, span.span_id)), others


def _fullness(span: Span) -> tuple[Any, ...]:
    size = sum(len(value) for value in span.attributes.values() if isinstance(value, str))
    return (len(span.attributes), size, len(span.events), span.end_ns, span.uri, span.offset)


def _read_generations(spans: list[Span], parents: dict[str, str]) -> list[Generation]:
    """Every model call once, its agent taken from the spans above when it names none."""
    by_id = {span.span_id: span for span in spans}
    generations = [read_generation(span) for span in spans if kind_of(span) == GENERATION]
    raw = {span.parent_id: span for span in spans if kind_of(span) == "raw"}
    for generation in generations:
        if generation.span_id in raw:
            _complete_from_raw(generation, raw[generation.span_id])
        step = by_id.get(generation.parent_id)
        if step is not None and "mastra.model_step.input" in step.attributes:
            _complete_from_step(generation, step)
        parent, seen = generation.parent_id, set()
        while parent in by_id and parent not in seen and not (generation.agent and _has_system(generation)):
            seen.add(parent)
            a = by_id[parent].attributes
            if kind_of(by_id[parent]) == "agent":
                generation.agent = generation.agent or first_word(a, ("gen_ai.agent.name", "agent.name", "ai.telemetry.functionId"))
                _take_system(generation, a)
            parent = by_id[parent].parent_id
    real = [item for item in generations if item.usage.input or item.response_id or not _PRIVATE.search(item.name)]
    # LlamaIndex marks private helpers as model calls, too.
    return merge_same_calls(real or generations, parents)


def _complete_from_step(generation: Generation, step: Span) -> None:
    """Mastra keeps prompt and turn on the step around the call."""
    whole = read_generation(step)
    generation.messages = generation.messages or whole.messages
    if not (generation.text or generation.calls):
        generation.output = whole.output
    generation.tools = generation.tools or whole.tools
    check(generation)


def _has_system(generation: Generation) -> bool:
    return any(message["role"] == "system" for message in generation.messages)


def _take_system(generation: Generation, agent: dict[str, Any]) -> None:
    """Strands keeps the system prompt and the tools on the agent's span alone."""
    prompt = agent.get("system_prompt")
    if isinstance(prompt, str) and prompt and generation.messages and not _has_system(generation):
        decoded = decode_json(prompt)
        generation.messages.insert(0, {"role": "system", "content": decoded if isinstance(decoded, str) else prompt})


def _complete_from_raw(generation: Generation, raw: Span) -> None:
    """LiteLLM's first telemetry keeps calls complete only in its child with the provider's raw answer."""
    from_raw = next((value for key, value in raw.attributes.items() if key.startswith("llm.") and key.endswith(".choices")), None)
    if from_raw is None:
        return
    messages = parse_output({"choices": decode_object(from_raw)}).messages
    turn = messages[0] if messages else {}
    if turn and (turn.get("tool_calls") or not generation.output):
        generation.output = turn
        generation.problems = [problem for problem in generation.problems if problem != "incomplete-output"]


def assemble(
    spans: Iterable[Span],
    scores: Iterable[Score] = (),
    *,
    now: datetime | None = None,
    side_steps: frozenset[str] = SIDE_STEPS,
    trust_prompts: bool = False,
    rules: FeedbackConfig = DEFAULT_RULES,
    claim_spans: Iterable[Span] = (),
) -> Trace | str:
    """Assemble the trace of spans that have one trace id, in any order and with redeliveries.

    Args:
        spans: all spans of the trace that were delivered.
        scores: users' verdicts about it.
        now: today's clock; times later than two days from it are refused. None: the machine's.
        side_steps: words in the name of a call that is never the answer, such as "title".
        trust_prompts: sections of a prompt are the app's, although nothing tells the user's own words.
        rules: which scores are users' verdicts.
        claim_spans: claims that came apart from the trace's spans.

    Returns:
        The trace, or why there is none: no-generation, generation-error, no-answer, no-input,
        text-too-large, bad-timestamp, langfuse-internal, experiment.
    """
    ordered, poorer = _unique(spans)
    root = find_root(ordered)
    environment = _environment([root, *ordered])
    if environment in _OWN_ENVIRONMENTS:
        return "langfuse-internal"
    if any(span.attributes.get("langfuse.experiment.id") for span in ordered):
        return "experiment"
    parents = {span.span_id: span.parent_id for span in ordered}
    generations = _read_generations(ordered, parents)
    whole = [generation for generation in generations if generation.text.strip() or generation.calls]
    answer = find_answer(root, ordered, whole, side_steps)
    if not whole:
        fallback = _outer_turn(root, ordered)
        if fallback is None:
            return _refusal(ordered, generations)
        answer, whole = Answer(fallback, "root-match"), [fallback]
    asked = next((item for item in (answer.generation, whole[-1]) if item is not None), whole[-1])
    if not any(generation.messages for generation in whole):
        if user_text_of(root) is None:
            return "no-input"
        asked.messages = input_of(root).messages
    if sum(len(message["content"]) for generation in whole for message in (*generation.messages, generation.output)) > MAX_TEXT_CHARACTERS:
        return "text-too-large"
    start_ns = min((span.start_ns for span in ordered if span.start_ns), default=0) or asked.end_ns
    now_ns = int((now or datetime.now(UTC)).timestamp()) * 10**9
    if not _EARLIEST_NS <= start_ns <= now_ns + _FUTURE_NS:
        return "bad-timestamp"
    claims = claims_of([root, *ordered, *poorer, *claim_spans])
    by_id = {span.span_id: span for span in ordered}
    answering = by_id.get(answer.generation.span_id) if answer.generation else None
    words = own_words(root, ordered, asked)
    name = asked.model_answered or next((item.model_answered for item in reversed(whole) if item.model_answered), "")
    return Trace(
        trace_id=root.trace_id,
        source=root.source,
        source_uri=(answering or root).uri,
        ts=_EPOCH + timedelta(microseconds=start_ns // 1000),
        model=model_partition(name),
        model_name=name,
        model_version=_version(answering, [by_id[item.span_id] for item in whole if item.span_id in by_id], root),
        consent=claims.consent,
        consents=claims.consents,
        withdrawn=claims.withdrawn,
        claim_places=claims.places,
        claim_keys=claims.unlisted,
        region=claims.region,
        confidentiality=claims.confidentiality,
        user_id=claims.user_id,
        session_id=claims.session_id,
        question=find_question(words, asked),
        contexts=find_contexts(ordered, asked.messages, words, trust_prompts=trust_prompts),
        generations=whole,
        answer_span_id=answer.generation.span_id if answer.generation else "",
        answer_source=answer.source,
        feedback=feedback_of(ordered, scores, rules),
        status="error" if asked.error else "ok",
        environment=environment,
    )


def _outer_turn(root: Span, ordered: list[Span]) -> Generation | None:
    """A turn that only an outer span tells: the root's, else that of the first span that is no tool, retriever or the like."""
    for span in (root, *ordered):
        if span.error or is_retriever(span) or kind_of(span) in SIDE_KINDS:
            continue
        generation = read_generation(span)
        if generation.text.strip():
            return generation
    return None


def _refusal(ordered: list[Span], generations: list[Generation]) -> str:
    if not generations:
        return "no-generation"
    return "generation-error" if any(span.error for span in ordered) else "no-answer"


def _environment(spans: list[Span]) -> str:
    """Deployment environment: an attribute of a span, else of a resource; "" when unknown."""
    for span in spans:
        if word := first_word(span.attributes, _ENVIRONMENT_KEYS):
            return word
    return str(next((span.resource[key] for span in spans for key in _ENVIRONMENT_KEYS if span.resource.get(key)), ""))
