"""Step `label`: score traces 0-1 with Ragas' metrics and our own graded judge.

A trace is labelled once per reward policy; equal content is scored once. Labels are
committed in batches, so a killed run loses at most one batch and repeats none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from steps.contract.refs import ArtifactRef, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.label.label_table import Label, LabelTable
from steps.scoring.breaker import CircuitBreaker
from steps.scoring.judges import check_before_labelling
from steps.scoring.metrics import Case, Scorer, score_many
from steps.scoring.policy import policy_version
from steps.scoring.reward import COMPONENTS, final_score, weighted
from steps.store.lake import open_lake

if TYPE_CHECKING:
    from steps.contract.config import LabelConfig
    from steps.contract.errors import TransientError
    from steps.label.label_table import Label, LabelTable, Unlabelled
    from steps.scoring.breaker import CircuitBreaker
    from steps.scoring.metrics import Case, Scorer, Scores


class Params(Frozen):
    """Which traces.

    Attributes:
        traces: snapshot to label; rows with consent `train`, status `ok` and an answer count.
        since: first day that counts; None: from the beginning.
        until: last day that counts; None: to the end.
        golden: the golden set whose stored answers both judges must still score as before; None: they are not asked.
    """

    traces: TableRef
    since: date | None = None
    until: date | None = None
    golden: ArtifactRef | None = None


class Result(Frozen):
    """What was labelled.

    Attributes:
        labels: the label table after this run.
        labelled: traces that got their label (scored or not) in this run.
        unscored: of those, the ones without a score, and traces left for the next run because the judge failed them.
        llm_calls: HTTP requests to the judge and its embedding, retries included.
        cache_hits: of `labelled`, the ones whose content had been scored before.
        policy_version: names the reward policy of these labels.
        mean_score: over all scored traces of the snapshot and window, 0-1; None when there are none.
    """

    labels: TableRef
    labelled: int
    unscored: int
    llm_calls: int
    cache_hits: int
    policy_version: str
    mean_score: float | None


@dataclass
class Tally:
    """Counts of one run; see `Result`."""

    labelled: int = 0
    unscored: int = 0
    cache_hits: int = 0
    llm_calls: int = 0


def run(params: Params, ctx: StepContext) -> Result:
    """Label every trace that lacks a label of the configured policy.

    Raises:
        TransientError: the judge cannot be reached, or fails more than `label.max_failed_ratio` of the traces.
        AccessError: the judge refuses the key.
        ConfigError: the judge's configuration is wrong, or a judge scores the stored answers otherwise than before.
        DataError: a trace breaks the table's contract.
    """
    judge = ctx.config.reward_judge
    policy = policy_version(judge, ctx.config.label)
    tally = Tally()
    with open_lake(ctx.config, ctx.workdir) as lake:
        if params.golden is not None:
            check_before_labelling(params.golden, ctx, lake)
        table = LabelTable(lake, policy, judge.model, (params.since, params.until))
        label_all(params.traces, ctx, table, tally)
        mean = table.mean_score(params.traces)
        return Result(
            labels=table.current(),
            labelled=tally.labelled,
            unscored=tally.unscored,
            llm_calls=tally.llm_calls,
            cache_hits=tally.cache_hits,
            policy_version=policy,
            mean_score=mean,
        )


def label_all(traces: TableRef, ctx: StepContext, table: LabelTable, tally: Tally) -> None:
    """Label what the table says lacks a label, and count.

    Raises:
        TransientError, AccessError, ConfigError, DataError: as for `run`.
    """
    days = list(table.days(traces))
    if days:
        asyncio.run(_label_days(traces, ctx, table, days, tally))


async def _label_days(traces: TableRef, ctx: StepContext, table: LabelTable, days: list[tuple[date, int]], tally: Tally) -> None:
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
                    await _label_batch(batch, table, scorer, label, breaker, tally, ctx.run_id, task.advance)
            breaker.finish()


async def _label_batch(
    batch: list[Unlabelled],
    table: LabelTable,
    scorer: Scorer,
    config: LabelConfig,
    breaker: CircuitBreaker,
    tally: Tally,
    run_id: str,
    advance: Callable[[float], None],
) -> None:
    """Score the contents of a batch that nobody scored before and commit the batch."""
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
        table.write(rows, run_id=run_id)
        tally.labelled += len(rows)


def _label(scores: Scores, config: LabelConfig) -> Label:
    """The label that some scores make under the configured weights."""
    values = {name: getattr(scores, name) for name in COMPONENTS}
    score = final_score(values, config.weights)
    return Label(values, score, scores.error or ("" if score is not None else "a required component is missing"), scores.calls)


def _reused(label: Label) -> Label:
    """The same label for another trace of the same content: no call was made for it."""
    from dataclasses import replace

    return replace(label, calls=0)
