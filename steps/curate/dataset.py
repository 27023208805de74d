"""The dataset file and its lake rows. Content decides the digest: no clock, run or user enters it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.curate.pairs import Pair, ScoredTrace, Selection

if TYPE_CHECKING:
    import pyarrow as pa


def rows(selection: Selection) -> list[dict[str, Any]]:
    """JSONL rows: pairs, then prompts, each in the order of the selection."""
    return [_pair_row(pair) for pair in selection.pairs] + [_prompt_row(trace) for trace in selection.prompts]


def _prompt_row(trace: ScoredTrace, kind: str = "prompt") -> dict[str, Any]:
    return {
        "kind": kind,
        "prompt_key": trace.prompt_key,
        "messages": list(trace.messages),
        "contexts": list(trace.contexts),
        "question": trace.question,
        **({"tools": list(trace.tools)} if trace.tools else {}),
    }


def _pair_row(pair: Pair) -> dict[str, Any]:
    return _prompt_row(pair.chosen, "pair") | {
        "chosen": pair.chosen.answer,
        "rejected": pair.rejected.answer,
        "chosen_score": pair.chosen.score,
        "rejected_score": pair.rejected.score,
        "chosen_trace_id": pair.chosen.trace_id,
        "rejected_trace_id": pair.rejected.trace_id,
    }


def write_dataset(folder: Path, dataset: list[dict[str, Any]]) -> tuple[Path, str]:
    """Write `<digest>.jsonl` and return it with its SHA-256; the same rows are the same file."""
    text = "".join(canonical_json(row) + "\n" for row in dataset)
    digest = sha256_text(text)
    path = folder / f"{digest}.jsonl"
    write_atomic(path, text)
    return path, digest


def lake_rows(dataset: list[dict[str, Any]], digest: str) -> pa.Table:
    """The same rows for the lake table `datasets`, numbered from 0."""
    import pyarrow as pa

    text = ("kind", "prompt_key", "question", "chosen", "rejected", "chosen_trace_id", "rejected_trace_id")
    columns: dict[str, Any] = {name: pa.array([row.get(name) for row in dataset], pa.string()) for name in text}
    for name in ("messages", "contexts"):
        columns[f"{name}_json"] = pa.array([canonical_json(row[name]) for row in dataset], pa.string())
    for name in ("chosen_score", "rejected_score"):
        columns[name] = pa.array([row.get(name) for row in dataset], pa.float64())
    columns["row"] = pa.array(range(len(dataset)), pa.int64())
    columns["dataset_digest"] = pa.array([digest] * len(dataset), pa.string())
    return pa.table(columns)
