"""Files of one label shard: each batch of labels as it is scored, and the manifest that names them all.

A shard takes contents, not traces, so that equal content is scored once however many pods label. Files hold labels
and no text; they lie at `artifacts/shards/label/<what>/<shard>/`. A killed shard loses at most one batch.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.contract.refs import ArtifactRef, Frozen, TableRef
from steps.label.labels import Label, Labels, Unlabelled
from steps.scoring.reward import COMPONENTS
from steps.store.artifacts import read_named, read_text

if TYPE_CHECKING:
    from steps.label.batches import Tally
    from steps.store.lake import Lake


class ShardWork(Frozen):
    """What a shard labelled: the same for every attempt, so that a retry finds its files."""

    traces: TableRef
    policy_version: str
    since: date | None
    until: date | None
    shard: int
    shards: int

    def folder(self, artifacts: Path) -> Path:
        """Where its files are."""
        return self.task_folder(artifacts) / f"{self.shard:03d}-of-{self.shards:03d}"

    def task_folder(self, artifacts: Path) -> Path:
        """Where the files of all shards are."""
        what = canonical_json(self.model_dump(mode="json", exclude={"shard"}))
        return artifacts.absolute() / "shards" / "label" / sha256_text(what)[:16]


class Manifest(Frozen):
    """What a shard leaves: its work, counts as in its result, and file name -> SHA-256."""

    work: ShardWork
    labelled: int
    unscored: int
    llm_calls: int
    cache_hits: int
    files: dict[str, str]


class ShardFiles(Labels):
    """Labels of one shard in files; finds what an earlier attempt wrote."""

    def __init__(self, lake: Lake, work: ShardWork, judge_model: str, folder: Path, tally: Tally) -> None:
        super().__init__(lake, work.policy_version, (work.since, work.until))
        self._work, self._judge_model, self._folder = work, judge_model, folder
        self.files: dict[str, str] = {}
        for path in sorted(folder.glob("batch-*.json")):
            text = path.read_text(encoding="utf-8")
            self.files[path.name] = sha256_text(text)
            for row in json.loads(text):
                tally.labelled += 1
                tally.unscored += row["score"] is None
                # What was scored before was written without a call of its own.
                tally.cache_hits += row["calls"] == 0
                tally.llm_calls += row["calls"]
                self._remember(row["trace_id"], row["content_hash"], _label_of(row))

    def write(self, labels: list[tuple[Unlabelled, Label]]) -> None:
        """Write one batch as a file."""
        now = datetime.now(UTC).isoformat()
        text = canonical_json([self._row(trace, label) | {"labelled_at": now} for trace, label in labels])
        name = f"batch-{len(self.files):06d}.json"
        write_atomic(self._folder / name, text)
        self.files[name] = sha256_text(text)
        for trace, label in labels:
            self._remember(trace.trace_id, trace.content_hash, label)

    def _remember(self, trace_id: str, content_hash: str, label: Label) -> None:
        self._content_of[trace_id] = content_hash
        self.known[content_hash] = label

    def _lacks(self, row: Mapping[str, Any]) -> bool:
        mine = zlib.crc32((row["content_hash"] or row["trace_id"]).encode()) % self._work.shards == self._work.shard
        return mine and super()._lacks(row)

    def _row(self, trace: Unlabelled, label: Label) -> dict[str, Any]:
        return {
            "trace_id": trace.trace_id,
            "policy_version": self.policy_version,
            "content_hash": trace.content_hash,
            **{name: label.values.get(name) for name in COMPONENTS},
            "score": label.score,
            "status": "unscored" if label.score is None else "scored",
            "error": label.error,
            "judge_model": self._judge_model,
            "calls": label.calls,
        }


def _label_of(row: Mapping[str, Any]) -> Label:
    return Label({name: row[name] for name in COMPONENTS}, row["score"], row["error"], 0)


def read_manifest(ref: ArtifactRef) -> Manifest:
    """A shard's manifest.

    Raises:
        DataError: it is gone or is not the one referred to.
    """
    return Manifest.model_validate_json(read_text(ref, "the shard's manifest", "run label-shard again"))


def read_rows(ref: ArtifactRef, manifest: Manifest) -> list[dict[str, Any]]:
    """A shard's labels, in the order they were made.

    Raises:
        DataError: a file is gone or is not what the manifest says.
    """
    folder, rows = Path(ref.local_path()).parent, []
    for name, digest in manifest.files.items():
        text = read_named(folder / name, digest, "the batch", f"run label shard {manifest.work.shard} again")
        rows += [row | {"labelled_at": datetime.fromisoformat(row["labelled_at"])} for row in json.loads(text)]
    return rows
