"""Reproduction of a registered model's training file, byte for byte, proved by its digest."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.files import canonical_json, sha256_text, write_atomic
from steps.contract.refs import Frozen, ModelRef
from steps.contract.spec import SILENT, Progress
from steps.curate.dataset import rows
from steps.curate.recipe import RECIPE_VERSION, find, golden_is_there, select_from
from steps.store.lake import open_lake
from steps.store.registry import open_registry

if TYPE_CHECKING:
    from steps.curate.recipe import Recipe
    from steps.store.lake import Lake


class Reproduced(Frozen):
    """What was made again."""

    model: str
    digest: str
    path: str
    rows: int
    source: Literal["traces", "datasets"] = Field(
        description=(
            "`traces`: curated anew from the recorded snapshots of traces and labels; `datasets`: taken from the rows "
            "that curation left in the lake"
        )
    )
    why_not_traces: str = Field(description="why the stronger of the two was not possible; empty when it was")


def reproduce(config: PipelineConfig, workdir: Path, model: str, to: Path | None = None, progress: Progress = SILENT) -> Reproduced:
    """Write the training file of `MODEL@VERSION` again.

    Args:
        config: the pipeline's configuration; thresholds of the curation come from its record.
        workdir: the work folder.
        model: which version.
        to: the file; None: its place among the artifacts, where erasure and retention find it.
        progress: where to report it.

    Raises:
        DataError: no such version, it was not trained here, its snapshots have expired, or other bytes came out.
    """
    try:
        ref = ModelRef.model_validate(model)
    except ValueError:
        raise DataError(f"{model!r} is not MODEL@VERSION, as in {config.model_name}@3") from None
    tags = open_registry(config, workdir).tags(ref.name, ref.version)
    digest = tags.get("ctp.dataset-sha256", "")
    if not digest:
        raise DataError(f"{ref}: no dataset is on record: it was not trained by this pipeline")
    with open_lake(config, workdir) as lake, progress.task(f"making the dataset of {ref} again") as task:
        recipe = find(lake, digest)
        text, reason = _from_traces(lake, recipe, digest)
        source: Literal["traces", "datasets"] = "traces"
        if text is None:
            task.note("from the rows that curation left")
            text, source = _from_rows(lake, digest), "datasets"
    if text is None:
        traces = recipe.traces if recipe else tags.get("ctp.traces", "its traces")
        why = f"{ref}: cannot be reproduced: {reason}, and the rows of dataset {digest[:12]} are no longer in the lake"
        raise DataError(f"{why}: retention or an erasure deleted what {traces} held (upkeep.snapshot_days, upkeep.retention_days)")
    if (actual := sha256_text(text)) != digest:
        raise DataError(
            f"{ref}: other bytes came out of {source}: SHA-256 {actual[:12]}, on record {digest[:12]}: the code or the lake differs"
        )
    path = to or workdir / "artifacts" / "datasets" / f"{digest}.jsonl"
    write_atomic(path, text)
    return Reproduced(model=str(ref), digest=digest, path=str(path), rows=text.count("\n"), source=source, why_not_traces=reason)


def _from_traces(lake: Lake, recipe: Recipe | None, digest: str) -> tuple[str | None, str]:
    """The file curated anew, or why it cannot be."""
    if recipe is None:
        return None, f"no recipe of dataset {digest[:12]} is on record"
    if recipe.version != RECIPE_VERSION:
        return None, f"the recipe is of version {recipe.version}, this code curates by version {RECIPE_VERSION}"
    expired = [str(ref) for ref in (recipe.traces, recipe.labels) if not lake.has_snapshot(ref)]
    if expired:
        return None, f"snapshot {' and '.join(expired)} has expired"
    if not golden_is_there(recipe):
        return None, f"the golden set {recipe.golden} is gone"
    selection = select_from(lake, recipe, recipe.model_name, recipe.curate, Counter())
    return "".join(canonical_json(row) + "\n" for row in rows(selection)), ""


def _from_rows(lake: Lake, digest: str) -> str | None:
    """The file from the rows that curation wrote; None when they are gone."""
    rows = lake.scan("datasets", where={"dataset_digest": digest}).to_pylist()
    if not rows:
        return None
    lines = []
    for row in sorted(rows, key=lambda row: row["row"]):
        plain: dict[str, Any] = {name: row[name] for name in ("kind", "prompt_key", "question")}
        plain |= {name: json.loads(row[f"{name}_json"]) for name in ("messages", "contexts")}
        if row["kind"] == "pair":
            names = ("chosen", "rejected", "chosen_score", "rejected_score", "chosen_trace_id", "rejected_trace_id")
            plain |= {name: row[name] for name in names}
        lines.append(canonical_json(plain) + "\n")
    return "".join(lines)
