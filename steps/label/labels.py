"""Labels in the lake under one reward policy: the traces that lack one, and the contents that have one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from steps.contract.errors import DataError
from steps.contract.files import sha256_text
from steps.contract.refs import TableRef
from steps.scoring.reward import COMPONENTS
from steps.store.lake_rows import Window, in_window

if TYPE_CHECKING:
    from steps.store.lake import Lake

TRAINABLE = {"consent": "train", "status": "ok"}
_TEXT_COLUMNS = ("trace_id", "content_hash", "question", "contexts_json", "answer")


@dataclass(frozen=True, slots=True)
class Label:
    """The score of one content under one policy. `score` None: unscored, for the reason in `error`."""

    values: Mapping[str, float | None]
    score: float | None
    error: str
    calls: int


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A trace that lacks a label."""

    trace_id: str
    content_hash: str
    question: str
    contexts: tuple[str, ...]
    answer: str


class Labels:
    """Labels of one policy version.

    Args:
        lake: an open lake.
        policy_version: whose labels.
        window: first and last day of the traces that count.
    """

    def __init__(self, lake: Lake, policy_version: str, window: Window = (None, None)) -> None:
        self._lake, self.policy_version = lake, policy_version
        self._where = in_window(TRAINABLE, window)
        columns = ("trace_id", "content_hash", *COMPONENTS, "score", "error")
        rows = lake.scan("labels", columns, where={"policy_version": policy_version}).to_pylist()
        self._content_of: dict[str, str] = {row["trace_id"]: row["content_hash"] for row in rows}
        self.labels_by_content: dict[str, Label] = {
            row["content_hash"]: Label({name: row[name] for name in COMPONENTS}, row["score"], row["error"] or "", 0) for row in rows
        }

    def days(self, traces: TableRef) -> Iterator[tuple[date, int]]:
        """(day, traces of it that lack a label), oldest first; empty answers do not count."""
        rows = self._lake.scan(traces, ("date", "trace_id", "content_hash", "answer_source"), where=self._where)
        counts: dict[date, int] = {}
        for row in rows.to_pylist():
            if row["answer_source"] != "none" and self._lacks(row):
                counts[row["date"]] = counts.get(row["date"], 0) + 1
        yield from sorted(counts.items())

    def unlabelled(self, traces: TableRef, day: date) -> list[Unlabelled]:
        """Traces of one day that lack a label, by trace id.

        Raises:
            DataError: a row's contexts are not a JSON list of texts.
        """
        rows = self._lake.scan(traces, _TEXT_COLUMNS, where={**TRAINABLE, "date": day}).to_pylist()
        return [_unlabelled(row) for row in rows if self._lacks(row) and (row["answer"] or "").strip()]

    def current(self) -> TableRef:
        """The label table as it is now."""
        return self._lake.current("labels")

    def mean_score(self, traces: TableRef) -> float | None:
        """Mean score, 0-1, over the scored traces of the snapshot and window; None without any."""
        rows = self._lake.scan(traces, ("content_hash", "trace_id"), where=self._where).to_pylist()
        labels = [self.labels_by_content[row["content_hash"]] for row in rows if not self._lacks(row)]
        scores = [label.score for label in labels if label.score is not None]
        return round(sum(scores) / len(scores), 6) if scores else None

    def _lacks(self, row: Mapping[str, Any]) -> bool:
        return bool(self._content_of.get(row["trace_id"]) != row["content_hash"])


def _unlabelled(row: Mapping[str, Any]) -> Unlabelled:
    try:
        contexts = json.loads(row["contexts_json"] or "[]")
    except ValueError:
        contexts = None
    if not isinstance(contexts, list) or not all(isinstance(context, str) for context in contexts):
        raise DataError(f"trace {row['trace_id']}: contexts_json is not a JSON list of texts: ingest it again")
    content = row["content_hash"] or sha256_text(json.dumps([row["question"], contexts, row["answer"]]))
    return Unlabelled(row["trace_id"], content, row["question"] or "", tuple(contexts), row["answer"])
