"""Step `label-commit`: commit the labels of all shards at once."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from steps.contract.errors import DataError, UsageError
from steps.contract.files import canonical_json, sha256_text
from steps.contract.refs import ArtifactRef, FromJson, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.label.labels import Labels
from steps.label.shard_files import ShardWork, read_manifest, read_rows
from steps.scoring.policy import policy_version
from steps.store.lake import open_lake
from steps.store.schemas import TABLES, arrow_schema

if TYPE_CHECKING:
    from steps.store.lake import Lake


class Params(Frozen):
    """The manifests of every `label-shard`, as a JSON list; `traces`, `since` and `until` as given to `label-plan`."""

    traces: TableRef = Field(description="snapshot that was labelled, as given to label-plan")
    shards: Annotated[tuple[ArtifactRef, ...], FromJson] = Field(description="manifests of every label-shard, as a JSON list")
    since: date | None = Field(default=None, description="first day that counts, as given to label-plan; None: from the beginning")
    until: date | None = Field(default=None, description="last day that counts, as given to label-plan; None: to the end")


class Result(Frozen):
    """Labels of this run, summed over the shards."""

    labels: TableRef = Field(description="the label table after this run")
    labelled: int = Field(description="traces that got their label (scored or not) in this run")
    unscored: int = Field(description="of those, the ones without a score, and traces left for the next run because the judge failed them")
    llm_calls: int = Field(description="HTTP requests to the judge and its embedding, retries included")
    cache_hits: int = Field(description="of `labelled`, the ones whose content had been scored before")
    policy_version: str = Field(description="names the reward policy of these labels")
    mean_score: float | None = Field(description="over all scored traces of the snapshot and window, 0-1; None when there are none")


def run(params: Params, ctx: StepContext) -> Result:
    """Commit the labels of every shard at once.

    Raises:
        DataError: a shard is missing or comes from another policy or snapshot, or a file is not what its manifest says.
        TransientError: the lake does not answer or other writers won every race.
    """
    policy = policy_version(ctx.config.reward_judge, ctx.config.label)
    manifests = [read_manifest(ref) for ref in params.shards]
    _check_shards([manifest.work for manifest in manifests], params, policy)
    batch = "lb-" + sha256_text(canonical_json(sorted(ref.sha256 for ref in params.shards)))[:12]
    with open_lake(ctx.config, ctx.workdir) as lake:
        rows = [row for ref, manifest in zip(params.shards, manifests, strict=True) for row in read_rows(ref, manifest)]
        _commit(lake, rows, policy, batch, ctx.run_id)
        labels = Labels(lake, policy, (params.since, params.until))
        return Result(
            labels=labels.current(),
            labelled=sum(manifest.labelled for manifest in manifests),
            unscored=sum(manifest.unscored for manifest in manifests),
            llm_calls=sum(manifest.llm_calls for manifest in manifests),
            cache_hits=sum(manifest.cache_hits for manifest in manifests),
            policy_version=policy,
            mean_score=labels.mean_score(params.traces),
        )


def _check_shards(works: list[ShardWork], params: Params, policy: str) -> None:
    """Every shard once, and all of the same work.

    Raises:
        DataError: a shard is missing, double, or of another policy, snapshot or window.
    """
    if not works:
        raise UsageError("no manifest is named: give --shards, a JSON list")
    for work in works:
        if (work.traces, work.policy_version, work.since, work.until) != (params.traces, policy, params.since, params.until):
            raise DataError(f"shard {work.shard} of {work.shards}: labelled another snapshot, window or reward policy: run it again")
    expected = list(range(works[0].shards))
    if sorted(work.shard for work in works) != expected or len({work.shards for work in works}) > 1:
        raise DataError(f"shards {sorted(work.shard for work in works)} of {works[0].shards}: every shard must be there once")


def _commit(lake: Lake, rows: list[dict[str, Any]], policy: str, batch: str, run_id: str) -> None:
    """One commit: new labels in, labels of content that changed since out; traces erased meanwhile get none."""
    import pyarrow as pa

    stored = lake.scan("labels", ("trace_id", "content_hash", "label_batch"), {"policy_version": policy}).to_pylist()
    others = {row["trace_id"]: row["content_hash"] for row in stored if row["label_batch"] != batch}
    ours = {row["trace_id"] for row in stored if row["label_batch"] == batch}
    present = set(lake.scan("traces", ("trace_id",)).column("trace_id").to_pylist())
    new = [row for row in rows if row["trace_id"] in present and others.get(row["trace_id"]) != row["content_hash"]]
    if {row["trace_id"] for row in new} == ours:
        return
    stale = [row["trace_id"] for row in new if row["trace_id"] in others]
    names = [field for field in arrow_schema(TABLES["labels"]) if field.name != "label_batch"]
    table = pa.Table.from_pylist(new, schema=pa.schema([field.with_nullable(True) for field in names]))
    replacing = {"trace_id": stale, "policy_version": policy} if stale else None
    lake.replace_batch("labels", table, "label_batch", batch, run_id=run_id, replacing=replacing)
