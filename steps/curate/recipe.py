"""What a dataset was curated from, recorded in `runs`, so that it can be curated again byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from steps.contract.config import CurateConfig
from steps.contract.refs import ArtifactRef, Frozen, ModelRef, TableRef
from steps.curate.contamination import GoldenGuard
from steps.curate.pairs import ScoredTrace, Selection, select
from steps.curate.source import scored_traces
from steps.store.golden import read_golden

if TYPE_CHECKING:
    from collections import Counter

    from steps.store.lake import Lake

STAGE = "dataset-recipe"
# Raise it when the same recipe gives another file.
RECIPE_VERSION = 2


class Recipe(Frozen):
    """Everything that decides a dataset's bytes, and its rows' snapshot."""

    digest: str
    traces: TableRef
    generations: TableRef
    labels: TableRef
    policy_version: str
    golden: ArtifactRef | None
    champion: ModelRef | None
    since: date | None
    until: date | None
    model_name: str
    curate: CurateConfig
    table: TableRef = Field(description="the lake's `datasets` after the rows were written")
    version: int = RECIPE_VERSION


def superseded_by(champion: ModelRef | None, model_name: str) -> Callable[[ScoredTrace], bool]:
    """Whether an answer comes from an older version of our own model, whose mistakes are history.

    Unknown versions and other models' answers stay. Without a champion nothing is known to be older.
    """
    current = ("", str(champion.version)) if champion else None
    return lambda trace: current is not None and trace.model == model_name and trace.model_version not in current


def select_from(
    lake: Lake,
    recipe: Any,
    model_name: str,
    config: CurateConfig,
    skipped: Counter[str],
    *,
    on_trace: Callable[[], None] = lambda: None,
) -> Selection:
    """Read the recipe's snapshots and select; the same recipe gives the same selection.

    Args:
        lake: where the tables are.
        recipe: a `Recipe`, or the parameters of `curate`.
        model_name: our own model.
        config: thresholds.
        skipped: receives the counts of traces that were not considered, by reason.
        on_trace: called after each trace.
    """
    guard = GoldenGuard(read_golden(recipe.golden).items if recipe.golden else ())
    candidates = []
    for trace in scored_traces(
        lake, recipe.traces, recipe.generations, recipe.labels, recipe.policy_version, skipped, (recipe.since, recipe.until)
    ):
        candidates.append(trace)
        on_trace()
    return select(
        candidates,
        config,
        is_golden=lambda trace: guard.holds(trace.question, trace.contexts, user_texts(trace)),
        is_superseded=superseded_by(recipe.champion, model_name),
    )


def user_texts(trace: ScoredTrace) -> tuple[str, ...]:
    """What users said in the conversation, turn by turn."""
    said = (message.get("content") for message in trace.messages if message.get("role") == "user")
    return tuple(text for text in said if isinstance(text, str))


def record(lake: Lake, recipe: Recipe, run_id: str) -> None:
    """Keep a recipe; the newest of a dataset counts, since its snapshots live longest."""
    lake.append_run_record(run_id, STAGE, recipe.model_dump(mode="json"), key=f"{STAGE}:{recipe.digest}")


def find(lake: Lake, digest: str) -> Recipe | None:
    """The recipe of a dataset; None when there is no record of it."""
    for found in reversed(lake.run_records(STAGE)):
        if found.payload.get("digest") == digest:
            return Recipe.model_validate(found.payload)
    return None


def golden_is_there(recipe: Recipe) -> bool:
    """Whether the golden set that was kept out can still be read."""
    return recipe.golden is None or Path(recipe.golden.local_path()).is_file()
