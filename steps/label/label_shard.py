"""Step `label-shard`: score one share of the traces into files that no table knows yet."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from steps.contract.refs import ArtifactRef, Frozen, TableRef
from steps.contract.spec import StepContext


class Params(Frozen):
    """Which share of which traces; `traces`, `since` and `until` as given to `label-plan`."""

    traces: TableRef
    shard: int = Field(ge=0)
    shards: int = Field(ge=1, le=256)
    since: date | None = None
    until: date | None = None


class Result(Frozen):
    """What waits to be committed.

    Attributes:
        manifest: names the written files and counts; input of `label-commit`.
        labelled: traces that got a label (scored or not).
        unscored: of those the ones without a score, and traces left for the next run because the judge failed them.
        llm_calls: HTTP requests to the judge and its embedding, retries included.
        cache_hits: of `labelled`, the ones whose content had been scored before.
    """

    manifest: ArtifactRef
    labelled: int
    unscored: int
    llm_calls: int
    cache_hits: int


def run(params: Params, ctx: StepContext) -> Result:
    """Label the share batch by batch; a killed shard goes on with the first batch that has no file.

    Raises:
        UsageError: `shard` is not below `shards`.
        TransientError: the judge cannot be reached, or fails more than `label.max_failed_ratio` of the traces.
        AccessError: the judge refuses the key.
        ConfigError: the judge's configuration is wrong.
        DataError: a trace breaks the table's contract.
    """
    from steps.label.sharding import label_share

    return label_share(params, ctx)
