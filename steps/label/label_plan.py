"""Step `label-plan`: decide how many shards label and which contents each takes."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from steps.contract.refs import ArtifactRef, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.label.labels import Labels
from steps.scoring.drift_check import check_before_labelling
from steps.scoring.policy import policy_version
from steps.store.lake import open_lake


class Params(Frozen):
    """Traces to label, and the number of shards."""

    traces: TableRef = Field(description="snapshot to label")
    since: date | None = Field(default=None, description="first day that counts; None: from the beginning")
    until: date | None = Field(default=None, description="last day that counts; None: to the end")
    golden: ArtifactRef | None = Field(
        default=None,
        description="the golden set whose stored answers both judges must still score as before; None: the step does not ask them",
    )
    shards: int = Field(
        default=0,
        ge=0,
        le=256,
        description="how many shards; 0: one for every `label.shard_traces` traces without a label, at most `label.max_shards`",
    )


class Shard(Frozen):
    """One shard: contents whose hash falls to `shard` of `shards`."""

    shard: int = Field(description="which shard, from 0")
    shards: int = Field(description="how many shards there are")


class Result(Frozen):
    """The shards; always at least one."""

    shards: tuple[Shard, ...] = Field(description="one entry a pod")
    traces: TableRef = Field(description="the snapshot that all shards read")
    unlabelled: int = Field(description="traces without a label of the configured policy")
    policy_version: str = Field(description="names the reward policy")


def run(params: Params, ctx: StepContext) -> Result:
    """Count the traces that lack a label and divide them.

    Raises:
        DataError: the snapshot does not exist, or the golden set is too small for the gate.
        ConfigError: a judge scores the golden set's stored answers otherwise than before.
        TransientError: the lake does not answer.
    """
    judge, label = ctx.config.reward_judge, ctx.config.label
    policy = policy_version(judge, label)
    with open_lake(ctx.config, ctx.workdir) as lake:
        if params.golden is not None:
            check_before_labelling(params.golden, ctx, lake)
        labels = Labels(lake, policy, (params.since, params.until))
        waiting = sum(count for _, count in labels.days(params.traces))
    shards = params.shards or max(1, min(label.max_shards, -(-waiting // label.shard_traces)))
    return Result(
        shards=tuple(Shard(shard=number, shards=shards) for number in range(shards)),
        traces=params.traces,
        unlabelled=waiting,
        policy_version=policy,
    )
