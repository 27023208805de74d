"""Curate: scored traces become preference pairs (DPO) and prompts (GRPO)."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from steps.contract.config import PipelineConfig
from steps.contract.errors import TransientError
from steps.contract.refs import ArtifactRef, Frozen, ModelRef, TableRef
from steps.contract.spec import StepContext
from steps.curate.dataset import lake_rows, rows, write_dataset
from steps.curate.pairs import Selection
from steps.curate.recipe import Recipe, record, select_from
from steps.store.lake import open_lake

if TYPE_CHECKING:
    from steps.store.lake import Lake


class Params(Frozen):
    """Snapshots to read, the reward policy, what must stay out, and the first and last day that count (None: no bound)."""

    traces: TableRef = Field(description="snapshot of the traces")
    generations: TableRef | None = Field(default=None, description="snapshot of their model calls; None: the newest")
    labels: TableRef = Field(description="snapshot of their labels")
    policy_version: str = Field(description="reward policy whose labels count; empty: the configured one")
    golden: ArtifactRef | None = Field(default=None, description="golden set whose questions are kept out; None: nothing is kept out")
    champion: ModelRef | None = Field(default=None, description="version that serves; answers of other versions count less; None: unknown")
    since: date | None = Field(default=None, description="first day that counts; None: from the beginning")
    until: date | None = Field(default=None, description="last day that counts; None: to the end")


class Result(Frozen):
    """The dataset. `excluded` counts traces left out, by reason; `digest` is the file's SHA-256."""

    phase: Literal["Successful", "Failed"] = Field(
        description="Successful, or Failed when there are fewer pairs or prompts than the configuration demands"
    )
    reason: str = Field(description="what decided it, one line")
    dataset: ArtifactRef = Field(description="the training file, one JSON object a line")
    digest: str = Field(description="SHA-256 of the training file, 64 hex digits")
    table: TableRef = Field(description="the datasets table after the commit")
    snapshot_id: int = Field(description="its snapshot")
    pairs: int = Field(description="preference pairs")
    prompts: int = Field(description="prompts for GRPO")
    excluded: dict[str, int] = Field(description="traces left out, by reason")


def run(params: Params, ctx: StepContext) -> Result:
    """Select pairs and prompts, write the dataset file and its lake rows.

    Too little to train on is a result (phase `Failed`), not an error.

    Raises:
        DataError: a table row or the golden set breaks its contract.
    """
    skipped: Counter[str] = Counter()
    name, curate = ctx.config.model_name, ctx.config.curate
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("curating", unit="traces") as task:
        params = params.model_copy(update={"generations": params.generations or lake.current("generations")})
        selection = select_from(lake, params, name, curate, skipped, on_trace=lambda: task.advance(1))
        dataset = rows(selection)
        path, digest = write_dataset(ctx.artifacts / "datasets", dataset)
        table = lake.replace_batch("datasets", lake_rows(dataset, digest), "dataset_digest", digest, run_id=ctx.run_id)
        recipe = Recipe(
            digest=digest, table=table, model_name=name, curate=curate, **{field: getattr(params, field) for field in Params.model_fields}
        )
        record(lake, recipe, ctx.run_id)
        withdraw_erased(lake, selection, path, digest, ctx.run_id)
    phase, reason = decide_phase(selection, ctx.config)
    return Result(
        phase=phase,
        reason=reason,
        dataset=ArtifactRef(uri=path.absolute().as_uri(), sha256=digest),
        digest=digest,
        table=table,
        snapshot_id=table.snapshot_id,
        pairs=len(selection.pairs),
        prompts=len(selection.prompts),
        excluded={**skipped, **selection.excluded},
    )


def withdraw_erased(lake: Lake, selection: Selection, path: Path, digest: str, run_id: str) -> None:
    """Take the dataset back when a trace in it was erased while it was being made.

    Erasure deletes traces last and datasets before; writing first and looking then leaves no gap between the two.

    Raises:
        TransientError: the dataset held a trace that the lake does not hold any more.
    """
    used = {trace.trace_id for pair in selection.pairs for trace in (pair.chosen, pair.rejected)}
    used |= {trace.trace_id for trace in selection.prompts}
    lost = used - set(lake.scan("traces", ("trace_id",)).column("trace_id").to_pylist())
    if lost:
        path.unlink(missing_ok=True)
        lake.delete_for_good("datasets", {"dataset_digest": digest}, run_id=run_id)
        raise TransientError(f"{len(lost)} traces were erased while the dataset was made: run the loop again from label on")


def decide_phase(selection: Selection, config: PipelineConfig) -> tuple[Literal["Successful", "Failed"], str]:
    """Whether there is enough for the configured method: pairs for DPO, prompts for GRPO."""
    unit, count = ("pairs", len(selection.pairs)) if config.train.method == "dpo" else ("prompts", len(selection.prompts))
    needed = config.curate.min_pairs
    if count < needed:
        return "Failed", f"{count} {unit}, and {config.train.method} needs at least {needed} (curate.min_pairs): collect more traces"
    return "Successful", f"{len(selection.pairs)} pairs and {len(selection.prompts)} prompts"
