"""Scoring of the traces of one shard, day by day and batch by batch; equal content is scored once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from steps.contract.refs import TableRef
from steps.contract.spec import StepContext
from steps.label.labels import Label, Unlabelled
from steps.scoring.breaker import CircuitBreaker
from steps.scoring.metrics import Case, Scorer, score_many
from steps.scoring.reward import COMPONENTS, final_score, weighted

if TYPE_CHECKING:
    from steps.contract.config import LabelConfig
    from steps.contract.errors import TransientError
    from steps.label.shard_files import ShardFiles
    from steps.scoring.metrics import Scores


@dataclass
class Tally:
    """Counts of one shard.

    Attributes:
        labelled: traces that got their label, scored or not.
        unscored: of those, the ones without a score, and traces left for the next run because the judge failed them.
        cache_hits: of `labelled`, the ones whose content had been scored before.
        llm_calls: HTTP requests to the judge and its embedding, retries included.
    """

    labelled: int = 0
    unscored: int = 0
    cache_hits: int = 0
    llm_calls: int = 0


def label_all(traces: TableRef, ctx: StepContext, table: ShardFiles, tally: Tally) -> None:
    """Label what the table says lacks a label, and count.

    Raises:
        TransientError: the judge cannot be reached, or fails more than `label.max_failed_ratio` of the traces.
        AccessError: the judge refuses the key.
        ConfigError: the judge's configuration is wrong.
        DataError: a trace breaks the table's contract.
    """
    days = list(table.days(traces))
    if days:
        asyncio.run(_label_days(traces, ctx, table, days, tally))


async def _label_days(traces: TableRef, ctx: StepContext, table: ShardFiles, days: list[tuple[date, int]], tally: Tally) -> None:
    """Label day by day, batch by batch: one day of text is held at a time."""
    label = ctx.config.label
    breaker = CircuitBreaker(label.max_failed_ratio)
    total = sum(count for _, count in days)
    with ctx.progress.task("labelling", total=total, unit="traces") as task:
        async with Scorer(ctx.config.reward_judge, metrics=tuple(weighted(label.weights))) as scorer:
            for day, _ in days:
                waiting = table.unlabelled(traces, day)
                for start in range(0, len(waiting), label.batch_rows):
                    batch = waiting[start : start + label.batch_rows]
                    await _label_batch(batch, table, scorer, label, breaker, tally, task.advance)
            breaker.finish()


async def _label_batch(
    batch: list[Unlabelled],
    table: ShardFiles,
    scorer: Scorer,
    config: LabelConfig,
    breaker: CircuitBreaker,
    tally: Tally,
    advance: Callable[[float], None],
) -> None:
    """Score the contents of a batch that nobody scored before and write the batch."""
    first: dict[str, Unlabelled] = {}
    for trace in batch:
        if trace.content_hash not in table.known:
            first.setdefault(trace.content_hash, trace)
    fresh: dict[str, Label] = {}

    def done(case: Case, scores: Scores) -> None:
        fresh[case.key] = _label(scores, config)
        breaker.add(scores.error if scores.judge_failed else "")
        advance(1)

    def outage(case: Case, error: TransientError) -> None:
        advance(1)
        if not scorer.client.answered:
            raise error
        breaker.add(str(error))

    before = scorer.client.calls
    cases = (Case(content, trace.question, trace.contexts, trace.answer) for content, trace in first.items())
    try:
        await score_many(scorer, cases, done, outage)
    finally:
        tally.llm_calls += scorer.client.calls - before
    if len(batch) < config.batch_rows:
        breaker.finish()
    advance(len(batch) - len(first))
    rows = []
    for trace in batch:
        new = trace.content_hash in fresh
        label = fresh[trace.content_hash] if new else table.known.get(trace.content_hash)
        if label is None:
            tally.unscored += 1
            continue
        owner = first.get(trace.content_hash) is trace
        rows.append((trace, label if owner else _reused(label)))
        tally.cache_hits += not owner
        tally.unscored += label.score is None
    if rows:
        table.write(rows)
        tally.labelled += len(rows)


def _label(scores: Scores, config: LabelConfig) -> Label:
    """The label that some scores make under the configured weights."""
    values = {name: getattr(scores, name) for name in COMPONENTS}
    score = final_score(values, config.weights)
    return Label(values, score, scores.error or ("" if score is not None else "a required component is missing"), scores.calls)


def _reused(label: Label) -> Label:
    """The same label for another trace of the same content: no call was made for it."""
    return replace(label, calls=0)
