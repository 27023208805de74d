"""Step `backtest`: what a changed reward policy would have said about the last weeks. Writes no label."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError
from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.contract.refs import ArtifactRef, FromJson, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.curate.pairs import ScoredTrace, select
from steps.curate.source import scored_traces
from steps.scoring.metrics import Case, Scorer, Scores, score_many
from steps.scoring.policy import policy_version
from steps.scoring.reward import COMPONENTS, final_score, weighted
from steps.store.lake import open_lake

if TYPE_CHECKING:
    from steps.store.lake import Lake


class Params(Frozen):
    """The changed policy and what to try it on."""

    policy: Annotated[dict[str, Any], FromJson] = Field(
        description='JSON object of the values that change, by block: `{"label": {"weights": {…}}, "reward_judge": {…}}`'
    )
    days: int = Field(default=30, ge=1, le=365, description="how many days back from `until`")
    until: date | None = Field(default=None, description="last day; empty: the day it is now in UTC")
    sample: int = Field(default=500, ge=1, le=100_000, description="at most this many traces, drawn by the hash of their id")
    traces: TableRef | None = Field(default=None, description="snapshot; empty: the newest")


class Result(Frozen):
    """Old against new on the traces that both scored. Scores are 0-1."""

    old_policy: str = Field(description="version of the configured policy")
    new_policy: str = Field(description="version of the changed one")
    traces: int = Field(description="sampled traces that have a label of the configured policy")
    compared: int = Field(description="of these, how many both policies scored")
    mean_old: float | None = Field(description="mean score; None without any")
    mean_new: float | None = Field(description="mean score; None without any")
    shift: float | None = Field(description="mean of new minus old")
    rank_correlation: float | None = Field(description="Spearman's, over `compared`; None when one side is constant")
    pairs_old: int = Field(description="preference pairs that curation would build from the sample")
    pairs_new: int = Field(description="the same with the new scores")
    pairs_same: int = Field(description="pairs with the same chosen and rejected trace on both sides")
    pairs_flipped: int = Field(description="pairs whose chosen and rejected changed places")
    llm_calls: int = Field(description="requests to the judge; 0 when only weights change")
    report: ArtifactRef = Field(description="the figures with the largest changes, by trace id, without text")


def run(params: Params, ctx: StepContext) -> Result:
    """Score a sample with the changed policy and compare.

    Raises:
        ConfigError: the changed values are unknown or out of bounds, or change more than the reward policy.
        TransientError, AccessError: as for `label`.
    """
    new = changed_config(ctx.config, params.policy)
    old_policy, new_policy = (policy_version(config.reward_judge, config.label) for config in (ctx.config, new))
    until = params.until or datetime.now(UTC).date()
    with open_lake(ctx.config, ctx.workdir) as lake:
        traces = params.traces or lake.current("traces")
        sample = _sample(lake, traces, (until - timedelta(days=params.days - 1), until), old_policy, params.sample)
    scores, calls = _new_scores(sample, ctx, new)
    pairs = [(item.trace, scores[item.content_hash]) for item in sample]
    both = [(trace, score) for trace, score in pairs if score is not None]
    figures = compare(both, ctx.config)
    document = {"old_policy": old_policy, "new_policy": new_policy, "policy": dict(params.policy), "traces": len(sample), **figures}
    document |= {"window_until": until.isoformat(), "days": params.days, "snapshot": str(traces), "largest_changes": _largest(both)}
    text = canonical_json(document)
    path = ctx.artifacts.absolute() / "backtests" / f"{sha256_text(text)}.json"
    write_atomic(path, text)
    report = ArtifactRef(uri=path.as_uri(), sha256=path.stem)
    return Result(old_policy=old_policy, new_policy=new_policy, traces=len(sample), llm_calls=calls, report=report, **figures)


LARGEST_CHANGES = 20


@dataclass(frozen=True, slots=True)
class Sampled:
    """A trace with its label of the configured policy."""

    trace: ScoredTrace
    content_hash: str
    values: Mapping[str, float | None]


def changed_config(config: PipelineConfig, policy: Mapping[str, Any]) -> PipelineConfig:
    """The configuration with another reward policy.

    Raises:
        ConfigError: something else than `label.weights` or `reward_judge` is changed, or a value is wrong.
    """
    label = policy.get("label", {})
    if not policy or set(policy) - {"label", "reward_judge"} or not isinstance(label, Mapping) or set(label) - {"weights"}:
        raise ConfigError("--policy: a reward policy is label.weights and reward_judge: change values of these blocks only")
    document = config.model_dump()
    try:
        document["label"]["weights"] |= dict(label.get("weights", {}))
        document["reward_judge"] |= dict(policy.get("reward_judge", {}))
    except (TypeError, ValueError):
        raise ConfigError("--policy: label.weights and reward_judge must be objects") from None
    try:
        return PipelineConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--policy: {'.'.join(map(str, first['loc'])) or '(policy)'}: {first['msg']}") from error


def _sample(lake: Lake, traces: TableRef, window: tuple[date, date], policy: str, size: int) -> list[Sampled]:
    """Scored traces of the window, by the hash of their id, so that the same snapshot gives the same sample."""
    rows = lake.scan("labels", ("trace_id", "content_hash", *COMPONENTS), {"policy_version": policy, "status": "scored"}).to_pylist()
    values = {row["trace_id"]: row for row in rows}
    candidates = scored_traces(lake, traces, lake.current("generations"), lake.current("labels"), policy, Counter(), window)
    chosen = sorted(candidates, key=lambda trace: sha256_text(trace.trace_id))[:size]
    return [
        Sampled(trace, values[trace.trace_id]["content_hash"], {name: values[trace.trace_id][name] for name in COMPONENTS})
        for trace in chosen
    ]


def _new_scores(sample: Sequence[Sampled], ctx: StepContext, new: PipelineConfig) -> tuple[dict[str, float | None], int]:
    """Content hash -> new score, and how many requests that took: none when only known components are weighed anew."""
    old = ctx.config
    same_judge = policy_version(new.reward_judge, old.label) == policy_version(old.reward_judge, old.label)
    if same_judge and set(weighted(new.label.weights)) <= set(weighted(old.label.weights)):
        return {item.content_hash: final_score(item.values, new.label.weights) for item in sample}, 0
    return asyncio.run(_ask(sample, ctx, new))


async def _ask(sample: Sequence[Sampled], ctx: StepContext, new: PipelineConfig) -> tuple[dict[str, float | None], int]:
    distinct = {item.content_hash: item.trace for item in sample}
    scores: dict[str, float | None] = {}
    with ctx.progress.task("scoring", total=len(distinct), unit="traces") as task:

        def keep(case: Case, answer: Scores) -> None:
            scores[case.key] = final_score({name: getattr(answer, name) for name in COMPONENTS}, new.label.weights)
            task.advance(1)

        async with Scorer(new.reward_judge, metrics=tuple(weighted(new.label.weights))) as scorer:
            cases = (Case(content, trace.question, trace.contexts, trace.answer) for content, trace in distinct.items())
            await score_many(scorer, cases, keep)
            return scores, scorer.client.calls


def compare(both: Sequence[tuple[ScoredTrace, float]], config: PipelineConfig) -> dict[str, Any]:
    """The figures of `Result` from (trace with its old score, new score)."""
    old = [trace.score for trace, _ in both]
    new = [score for _, score in both]
    keep = {"is_golden": lambda trace: False, "is_superseded": lambda trace: False}
    before = {_key(pair) for pair in select([trace for trace, _ in both], config.curate, **keep).pairs}
    after = {_key(pair) for pair in select([replace(trace, score=score) for trace, score in both], config.curate, **keep).pairs}
    return {
        "compared": len(both),
        "mean_old": _mean(old),
        "mean_new": _mean(new),
        "shift": round(sum(new) / len(new) - sum(old) / len(old), 6) if both else None,
        "rank_correlation": rank_correlation(old, new),
        "pairs_old": len(before),
        "pairs_new": len(after),
        "pairs_same": len(before & after),
        "pairs_flipped": len(before & {(rejected, chosen) for chosen, rejected in after}),
    }


def _key(pair: Any) -> tuple[str, str]:
    return pair.chosen.trace_id, pair.rejected.trace_id


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 6) if values else None


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation, -1 to 1; None when a side has no two different values."""
    from scipy.stats import spearmanr

    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return round(float(spearmanr(one, other).statistic), 6)


def _largest(both: Sequence[tuple[ScoredTrace, float]]) -> list[dict[str, Any]]:
    ranked = sorted(both, key=lambda item: (-abs(item[1] - item[0].score), item[0].trace_id))[:LARGEST_CHANGES]
    return [{"trace_id": trace.trace_id, "old": trace.score, "new": score} for trace, score in ranked]
