"""Scoring of one shard's traces, day by day and batch by batch; it scores equal content once."""

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


def label_all(traces: TableRef, ctx: StepContext, files: ShardFiles, tally: Tally) -> None:
    """Label the traces that lack a label, and count.

    Raises:
        TransientError: the judge cannot be reached, or fails more than `label.max_failed_ratio` of the traces.
        AccessError: the judge refuses the key.
        ConfigError: the judge's configuration is wrong.
        DataError: a trace breaks the table's contract.
    """
    days = list(files.days(traces))
    if days:
        asyncio.run(_label_days(traces, ctx, files, days, tally))


async def _label_days(traces: TableRef, ctx: StepContext, files: ShardFiles, days: list[tuple[date, int]], tally: Tally) -> None:
    """Label day by day, batch by batch: one day of text is held at a time."""
    label = ctx.config.label
    breaker = CircuitBreaker(label.max_failed_ratio)
    total = sum(count for _, count in days)
    with ctx.progress.task("labelling", total=total, unit="traces") as task:
        async with Scorer(ctx.config.reward_judge, metrics=tuple(weighted(label.weights))) as scorer:
            for day, _ in days:
                waiting = files.unlabelled(traces, day)
                for start in range(0, len(waiting), label.batch_rows):
                    batch = waiting[start : start + label.batch_rows]
                    await _label_batch(batch, files, scorer, label, breaker, tally, task.advance)
            breaker.finish()


async def _label_batch(
    batch: list[Unlabelled],
    files: ShardFiles,
    scorer: Scorer,
    config: LabelConfig,
    breaker: CircuitBreaker,
    tally: Tally,
    advance: Callable[[float], None],
) -> None:
    """Score the new contents of a batch and write the batch."""
    first: dict[str, Unlabelled] = {}
    for trace in batch:
        if trace.content_hash not in files.labels_by_content:
            first.setdefault(trace.content_hash, trace)
    fresh: dict[str, Label] = {}

    def record_scores(case: Case, scores: Scores) -> None:
        fresh[case.key] = _label(scores, config)
        breaker.add(scores.error if scores.judge_failed else "")
        advance(1)

    def record_outage(case: Case, error: TransientError) -> None:
        advance(1)
        if not scorer.client.answered:
            raise error
        breaker.add(str(error))

    before = scorer.client.calls
    cases = (Case(content, trace.question, trace.contexts, trace.answer) for content, trace in first.items())
    try:
        await score_many(scorer, cases, record_scores, record_outage)
    finally:
        tally.llm_calls += scorer.client.calls - before
    if len(batch) < config.batch_rows:
        breaker.finish()
    advance(len(batch) - len(first))
    _write_batch(batch, first, fresh, files, tally)


def _write_batch(batch: list[Unlabelled], first: dict[str, Unlabelled], fresh: dict[str, Label], files: ShardFiles, tally: Tally) -> None:
    """Write the labels of a batch; a trace whose content has none waits for the next run."""
    rows = []
    for trace in batch:
        label = fresh.get(trace.content_hash) or files.labels_by_content.get(trace.content_hash)
        if label is None:
            tally.unscored += 1
            continue
        is_first = first.get(trace.content_hash) is trace
        rows.append((trace, label if is_first else _without_calls(label)))
        tally.cache_hits += not is_first
        tally.unscored += label.score is None
    if rows:
        files.write(rows)
        tally.labelled += len(rows)


def _label(scores: Scores, config: LabelConfig) -> Label:
    """The label that some scores make under the configured weights."""
    values = {name: getattr(scores, name) for name in COMPONENTS}
    score = final_score(values, config.weights)
    return Label(values, score, scores.error or ("" if score is not None else "a required component is missing"), scores.calls)


def _without_calls(label: Label) -> Label:
    """The same label for another trace of the same content: no call was made for it."""
    return replace(label, calls=0)
