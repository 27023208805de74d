"""Step `label-shard`: score one shard of the traces into files that no table knows yet."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from steps.contract.errors import UsageError
from steps.contract.files import canonical_json
from steps.contract.refs import ArtifactRef, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.label.batches import Tally, label_all
from steps.label.shard_files import Manifest, ShardFiles, ShardWork
from steps.scoring.policy import policy_version
from steps.store.artifacts import write_text
from steps.store.lake import open_lake


class Params(Frozen):
    """Shard and snapshot; `traces`, `since` and `until` as given to `label-plan`."""

    traces: TableRef = Field(description="snapshot to label, as given to label-plan")
    shard: int = Field(ge=0, description="which shard, from 0")
    shards: int = Field(ge=1, le=256, description="how many shards there are")
    since: date | None = Field(default=None, description="first day that counts, as given to label-plan; None: from the beginning")
    until: date | None = Field(default=None, description="last day that counts, as given to label-plan; None: to the end")


class Result(Frozen):
    """Manifest of the shard and its counts."""

    manifest: ArtifactRef = Field(description="names the written files and counts; input of `label-commit`")
    labelled: int = Field(description="traces that got a label (scored or not)")
    unscored: int = Field(description="of those the ones without a score, and traces left for the next run because the judge failed them")
    llm_calls: int = Field(description="HTTP requests to the judge and its embedding, retries included")
    cache_hits: int = Field(description="of `labelled`, the ones whose content had been scored before")


def run(params: Params, ctx: StepContext) -> Result:
    """Label the shard batch by batch; a killed shard goes on with the first batch that has no file.

    Raises:
        UsageError: `shard` is not below `shards`.
        TransientError: the judge cannot be reached, or fails more than `label.max_failed_ratio` of the traces.
        AccessError: the judge refuses the key.
        ConfigError: the judge's configuration is wrong.
        DataError: a trace breaks the table's contract.
    """
    if params.shard >= params.shards:
        raise UsageError(f"--shard {params.shard}: shards of {params.shards} count from 0 to {params.shards - 1}")
    judge, label = ctx.config.reward_judge, ctx.config.label
    work = ShardWork(policy_version=policy_version(judge, label), **params.model_dump())
    folder, tally = work.folder(ctx.artifacts), Tally()
    with open_lake(ctx.config, ctx.workdir) as lake:
        files = ShardFiles(lake, work, judge.model, folder, tally)
        label_all(params.traces, ctx, files, tally)
    counts = {name: getattr(tally, name) for name in ("labelled", "unscored", "llm_calls", "cache_hits")}
    text = canonical_json(Manifest(work=work, files=files.files, **counts).model_dump(mode="json"))
    return Result(manifest=write_text(folder, text), **counts)
