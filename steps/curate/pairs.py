"""Preference pairs and prompts from scored traces: pure, and blind to the order of its input.

Grain of a pair: best against worst answer of one prompt (same messages and contexts).
All scores are 0-1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from steps.contract.config import CurateConfig


@dataclass(frozen=True, slots=True)
class ScoredTrace:
    """One answered prompt with its reward. `messages`, `contexts` and `tools` are what the model saw.

    `may_be_chosen`: whether it may stand as a good example: it was not cut, and its user did not turn it down.
    """

    trace_id: str
    prompt_key: str
    question: str
    messages: tuple[dict[str, Any], ...]
    contexts: tuple[str, ...]
    answer: str
    score: float
    model: str
    model_version: str
    tools: tuple[dict[str, Any], ...] = ()
    may_be_chosen: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """A chosen and a rejected answer to the same prompt."""

    chosen: ScoredTrace
    rejected: ScoredTrace


@dataclass(frozen=True)
class Selection:
    """What curation kept.

    Attributes:
        pairs: sorted by prompt, then by falling margin.
        prompts: one trace for every distinct prompt, sorted by prompt.
        excluded: traces left out, by reason.
    """

    pairs: tuple[Pair, ...]
    prompts: tuple[ScoredTrace, ...]
    excluded: dict[str, int]


def select(
    traces: Iterable[ScoredTrace],
    config: CurateConfig,
    *,
    is_golden: Callable[[ScoredTrace], bool],
    is_superseded: Callable[[ScoredTrace], bool],
) -> Selection:
    """Group traces by prompt and pair the best answers with the worst.

    Args:
        traces: in any order.
        config: thresholds.
        is_golden: whether a trace holds a golden question or fact.
        is_superseded: whether an older version of our own model wrote the answer.
    """
    excluded: Counter[str] = Counter(golden=0, superseded=0, duplicate=0)
    groups: dict[str, list[ScoredTrace]] = {}
    for trace in traces:
        if is_golden(trace):
            excluded["golden"] += 1
        elif is_superseded(trace):
            excluded["superseded"] += 1
        else:
            groups.setdefault(trace.prompt_key, []).append(trace)
    pairs: list[Pair] = []
    prompts: list[ScoredTrace] = []
    for _, group in sorted(groups.items()):
        distinct = distinct_answers(group)
        excluded["duplicate"] += len(group) - len(distinct)
        prompts.append(min(group, key=lambda trace: trace.trace_id))
        pairs.extend(pair_up(distinct, config))
    return Selection(tuple(pairs), tuple(prompts), dict(excluded))


def distinct_answers(group: Iterable[ScoredTrace]) -> list[ScoredTrace]:
    """One trace for each different answer: that with the smallest id, whatever the input order."""
    kept: dict[str, ScoredTrace] = {}
    for trace in sorted(group, key=lambda trace: trace.trace_id):
        kept.setdefault(trace.answer.strip(), trace)
    return list(kept.values())


def pair_up(answers: Iterable[ScoredTrace], config: CurateConfig) -> list[Pair]:
    """Pair the k-th best that may be chosen with the k-th worst while the margin holds; no answer is used twice.

    The rejected answer needs no minimum score: it is the bad example.
    """
    ranked = sorted(answers, key=lambda trace: (trace.score, trace.trace_id))
    best = [trace for trace in reversed(ranked) if trace.may_be_chosen]
    pairs: list[Pair] = []
    used: set[str] = set()
    for chosen, rejected in zip(best[: config.max_pairs_per_prompt], ranked, strict=False):
        # Labels have 6 decimals; 0.7 - 0.4 is a margin of 0.3 although binary fractions fall short of it.
        if chosen.score < config.min_chosen_score or round(chosen.score - rejected.score, 6) < config.min_margin:
            break
        if {chosen.trace_id, rejected.trace_id} & used or chosen.trace_id == rejected.trace_id:
            break
        used |= {chosen.trace_id, rejected.trace_id}
        pairs.append(Pair(chosen, rejected))
    return pairs
