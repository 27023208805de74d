"""Files of one label shard: one for each scored batch, and the manifest that names them all.

A shard takes contents, not traces, so that equal content is scored once, whatever the number of pods. Files hold labels
and no text; they lie at `artifacts/shards/label/<what>/<shard>/`. A killed shard loses at most one batch.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.contract.refs import ArtifactRef, Frozen, TableRef
from steps.label.labels import Label, Labels, Unlabelled
from steps.scoring.reward import COMPONENTS
from steps.store.artifacts import read_named, read_text

if TYPE_CHECKING:
    from steps.label.batches import Tally
    from steps.store.lake import Lake


class ShardWork(Frozen):
    """Work of one shard: the same for every attempt, so that a retry finds its files."""

    traces: TableRef = Field(description="snapshot to label")
    policy_version: str = Field(description="names the reward policy")
    since: date | None = Field(description="first day that counts; None: from the beginning")
    until: date | None = Field(description="last day that counts; None: to the end")
    shard: int = Field(description="which shard, from 0")
    shards: int = Field(description="how many shards there are")

    def folder(self, artifacts: Path) -> Path:
        """Folder of the shard's files."""
        return self.task_folder(artifacts) / f"{self.shard:03d}-of-{self.shards:03d}"

    def task_folder(self, artifacts: Path) -> Path:
        """Folder of all shards."""
        task = canonical_json(self.model_dump(mode="json", exclude={"shard"}))
        return artifacts.absolute() / "shards" / "label" / sha256_text(task)[:16]


class Manifest(Frozen):
    """Manifest of one shard."""

    work: ShardWork = Field(description="what the shard labelled")
    labelled: int = Field(description="as in the shard's result")
    unscored: int = Field(description="as in the shard's result")
    llm_calls: int = Field(description="as in the shard's result")
    cache_hits: int = Field(description="as in the shard's result")
    files: dict[str, str] = Field(description="file name -> SHA-256")


class ShardFiles(Labels):
    """Labels of one shard in files; it goes on with those of an earlier attempt."""

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
                # A label of content that was scored before has no call of its own.
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
        self.labels_by_content[content_hash] = label

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
    """A shard's labels, in the order of its batches.

    Raises:
        DataError: a file is gone or is not what the manifest says.
    """
    folder, rows = Path(ref.local_path()).parent, []
    for name, digest in manifest.files.items():
        text = read_named(folder / name, digest, "the batch", f"run label shard {manifest.work.shard} again")
        rows += [row | {"labelled_at": datetime.fromisoformat(row["labelled_at"])} for row in json.loads(text)]
    return rows
