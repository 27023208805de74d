"""Labelling in shares: each share scores its contents into files, and one commit takes them all.

A share is a set of contents, not of traces, so that equal content is scored once however many
pods label. Files hold labels and no text; they lie at `artifacts/shards/label/<what>/<share>/`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.errors import DataError, UsageError
from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.contract.refs import ArtifactRef, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.label import label_commit as commit_step
from steps.label import label_plan as plan_step
from steps.label import label_shard as shard_step
from steps.label.label import Result, Tally, label_all
from steps.label.label_table import Label, LabelTable, Unlabelled
from steps.scoring.judges import check_before_labelling
from steps.scoring.policy import policy_version
from steps.scoring.reward import COMPONENTS
from steps.store.lake import open_lake
from steps.store.schemas import TABLES, arrow_schema

if TYPE_CHECKING:
    from steps.store.lake import Lake


class Share(Frozen):
    """What a shard labelled: the same for every attempt, so that a retry finds its files."""

    traces: TableRef
    policy_version: str
    since: date | None
    until: date | None
    shard: int
    shards: int

    def folder(self, ctx: StepContext) -> Path:
        """Where its files are."""
        return self.task_folder(ctx) / f"{self.shard:03d}-of-{self.shards:03d}"

    def task_folder(self, ctx: StepContext) -> Path:
        """Where the files of all shares are."""
        what = canonical_json(self.model_dump(mode="json", exclude={"shard"}))
        return ctx.artifacts.absolute() / "shards" / "label" / sha256_text(what)[:16]


class Manifest(Frozen):
    """What a shard leaves: its share, counts as in `Result`, and file name -> SHA-256."""

    share: Share
    labelled: int
    unscored: int
    llm_calls: int
    cache_hits: int
    files: dict[str, str]


class ShareTable(LabelTable):
    """Labels of one share, in files instead of the lake; finds what an earlier attempt wrote."""

    def __init__(self, lake: Lake, share: Share, judge_model: str, folder: Path, tally: Tally) -> None:
        super().__init__(lake, share.policy_version, judge_model, (share.since, share.until))
        self._share, self._folder = share, folder
        self.files: dict[str, str] = {}
        for path in sorted(folder.glob("batch-*.json")):
            text = path.read_text(encoding="utf-8")
            self.files[path.name] = sha256_text(text)
            for row in json.loads(text):
                tally.labelled += 1
                tally.unscored += row["score"] is None
                tally.cache_hits += row["content_hash"] in self.known
                tally.llm_calls += row["calls"]
                self._remember(row["trace_id"], row["content_hash"], _label_of(row))

    def write(self, labels: list[tuple[Unlabelled, Label]], *, run_id: str) -> TableRef:
        """Write one batch as a file."""
        now = datetime.now(UTC)
        text = canonical_json([self._row(trace, label, now) | {"labelled_at": now.isoformat()} for trace, label in labels])
        name = f"batch-{len(self.files):06d}.json"
        write_atomic(self._folder / name, text)
        self.files[name] = sha256_text(text)
        for trace, label in labels:
            self._remember(trace.trace_id, trace.content_hash, label)
        return self.current()

    def _remember(self, trace_id: str, content_hash: str, label: Label) -> None:
        self._content_of[trace_id] = content_hash
        self.known[content_hash] = label

    def _lacks(self, row: Mapping[str, Any]) -> bool:
        mine = zlib.crc32((row["content_hash"] or row["trace_id"]).encode()) % self._share.shards == self._share.shard
        return mine and super()._lacks(row)


def _label_of(row: Mapping[str, Any]) -> Label:
    return Label({name: row[name] for name in COMPONENTS}, row["score"], row["error"], 0)


def plan_shards(params: plan_step.Params, ctx: StepContext) -> plan_step.Result:
    """Divide the work; see `steps.label.label_plan.run`."""
    judge, label = ctx.config.reward_judge, ctx.config.label
    policy = policy_version(judge, label)
    with open_lake(ctx.config, ctx.workdir) as lake:
        if params.golden is not None:
            check_before_labelling(params.golden, ctx, lake)
        table = LabelTable(lake, policy, judge.model, (params.since, params.until))
        waiting = sum(count for _, count in table.days(params.traces))
    shards = params.shards or max(1, min(label.max_shards, -(-waiting // label.shard_traces)))
    return plan_step.Result(
        shards=tuple(plan_step.Shard(shard=number, shards=shards) for number in range(shards)),
        traces=params.traces,
        unlabelled=waiting,
        policy_version=policy,
    )


def label_share(params: shard_step.Params, ctx: StepContext) -> shard_step.Result:
    """Label one share; see `steps.label.label_shard.run`."""
    if params.shard >= params.shards:
        raise UsageError(f"--shard {params.shard}: shares of {params.shards} count from 0 to {params.shards - 1}")
    judge, label = ctx.config.reward_judge, ctx.config.label
    share = Share(policy_version=policy_version(judge, label), **params.model_dump())
    folder, tally = share.folder(ctx), Tally()
    with open_lake(ctx.config, ctx.workdir) as lake:
        table = ShareTable(lake, share, judge.model, folder, tally)
        label_all(params.traces, ctx, table, tally)
    counts = {name: getattr(tally, name) for name in ("labelled", "unscored", "llm_calls", "cache_hits")}
    text = canonical_json(Manifest(share=share, files=table.files, **counts).model_dump(mode="json"))
    path = folder / f"{sha256_text(text)}.json"
    write_atomic(path, text)
    return shard_step.Result(manifest=ArtifactRef(uri=path.as_uri(), sha256=path.stem), **counts)


def commit_labels(params: commit_step.Params, ctx: StepContext) -> Result:
    """Commit all shares; see `steps.label.label_commit.run`."""
    judge = ctx.config.reward_judge
    policy = policy_version(judge, ctx.config.label)
    window = (params.since, params.until)
    manifests = [_manifest(ref) for ref in params.shards]
    _check_shares([manifest.share for manifest in manifests], params, policy)
    batch = "lb-" + sha256_text(canonical_json(sorted(ref.sha256 for ref in params.shards)))[:12]
    with open_lake(ctx.config, ctx.workdir) as lake:
        rows = [row for ref, manifest in zip(params.shards, manifests, strict=True) for row in _rows(ref, manifest)]
        _commit(lake, rows, policy, batch, ctx.run_id)
        table = LabelTable(lake, policy, judge.model, window)
        return Result(
            labels=table.current(),
            labelled=sum(manifest.labelled for manifest in manifests),
            unscored=sum(manifest.unscored for manifest in manifests),
            llm_calls=sum(manifest.llm_calls for manifest in manifests),
            cache_hits=sum(manifest.cache_hits for manifest in manifests),
            policy_version=policy,
            mean_score=table.mean_score(params.traces),
        )


def _manifest(ref: ArtifactRef) -> Manifest:
    path = Path(ref.local_path())
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: the shard's manifest is gone: run label-shard again") from None
    if sha256_text(text) != ref.sha256:
        raise DataError(f"{path}: not the manifest with SHA-256 {ref.sha256[:12]}: run label-shard again")
    return Manifest.model_validate_json(text)


def _check_shares(shares: list[Share], params: commit_step.Params, policy: str) -> None:
    """Every share once, and all of the same work.

    Raises:
        DataError: a share is missing, double, or of another policy, snapshot or window.
    """
    if not shares:
        raise UsageError("no manifest is named: give --shards, a JSON list")
    for share in shares:
        if (share.traces, share.policy_version, share.since, share.until) != (params.traces, policy, params.since, params.until):
            raise DataError(f"share {share.shard} of {share.shards}: labelled another snapshot, window or reward policy: run it again")
    expected = list(range(shares[0].shards))
    if sorted(share.shard for share in shares) != expected or len({share.shards for share in shares}) > 1:
        raise DataError(f"shares {sorted(share.shard for share in shares)} of {shares[0].shards}: every share must be there once")


def _rows(ref: ArtifactRef, manifest: Manifest) -> list[dict[str, Any]]:
    """A share's labels, in the order they were made."""
    folder, rows = Path(ref.local_path()).parent, []
    for name, digest in manifest.files.items():
        path = folder / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if sha256_text(text) != digest:
            raise DataError(f"{path}: gone, or not what its manifest says: run share {manifest.share.shard} again")
        rows += [row | {"labelled_at": datetime.fromisoformat(row["labelled_at"])} for row in json.loads(text)]
    return rows


def _commit(lake: Lake, rows: list[dict[str, Any]], policy: str, batch: str, run_id: str) -> None:
    """One commit: new labels in, labels of content that changed since out; traces erased meanwhile get none."""
    import pyarrow as pa

    held = lake.scan("labels", ("trace_id", "content_hash", "label_batch"), {"policy_version": policy}).to_pylist()
    others = {row["trace_id"]: row["content_hash"] for row in held if row["label_batch"] != batch}
    mine = {row["trace_id"] for row in held if row["label_batch"] == batch}
    present = set(lake.scan("traces", ("trace_id",)).column("trace_id").to_pylist())
    fresh = [row for row in rows if row["trace_id"] in present and others.get(row["trace_id"]) != row["content_hash"]]
    if {row["trace_id"] for row in fresh} == mine:
        return
    stale = [row["trace_id"] for row in fresh if row["trace_id"] in others]
    names = [field for field in arrow_schema(TABLES["labels"]) if field.name != "label_batch"]
    table = pa.Table.from_pylist(fresh, schema=pa.schema([field.with_nullable(True) for field in names]))
    replacing = {"trace_id": stale, "policy_version": policy} if stale else None
    lake.replace_batch("labels", table, "label_batch", batch, run_id=run_id, replacing=replacing)
