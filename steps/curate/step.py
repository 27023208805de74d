"""Curate: scored traces become preference pairs (DPO) and prompts (GRPO)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steps.config import PipelineConfig
from steps.core.golden import read_golden
from steps.core.refs import ArtifactRef, Frozen, ModelRef, TableRef
from steps.core.spec import StepContext
from steps.curate.contamination import GoldenGuard
from steps.curate.pairs import ScoredTrace, Selection, select
from steps.errors import TransientError

if TYPE_CHECKING:
    from steps.core.lake import Lake


class Params(Frozen):
    """Snapshots to read, the reward policy, what must stay out, and the first and last day that count (None: no bound)."""

    traces: TableRef
    labels: TableRef
    policy_version: str
    golden: ArtifactRef | None = None
    champion: ModelRef | None = None
    since: date | None = None
    until: date | None = None


class Result(Frozen):
    """The dataset. `excluded` counts traces left out, by reason; `digest` is the file's SHA-256."""

    phase: Literal["Successful", "Failed"]
    reason: str
    dataset: ArtifactRef
    digest: str
    table: TableRef
    snapshot_id: int
    pairs: int
    prompts: int
    excluded: dict[str, int]


def run(params: Params, ctx: StepContext) -> Result:
    """Select pairs and prompts, write the dataset file and its lake rows.

    Too little to train on is a result (phase `Failed`), not an error.

    Raises:
        DataError: a table row or the golden set breaks its contract.
    """
    from steps.core.lake import open_lake
    from steps.curate.dataset import lake_rows, rows, write_dataset
    from steps.curate.source import scored_traces

    guard = GoldenGuard(read_golden(params.golden).items if params.golden else ())
    skipped: Counter[str] = Counter()
    window = (params.since, params.until)
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("curating", unit="traces") as task:
        candidates = []
        for trace in scored_traces(lake, params.traces, params.labels, params.policy_version, skipped, window):
            candidates.append(trace)
            task.advance(1)
        selection = select(
            candidates,
            ctx.config.curate,
            is_golden=lambda trace: guard.holds(trace.question, trace.contexts),
            is_superseded=superseded_by(params.champion, ctx.config.model_name),
        )
        dataset = rows(selection)
        path, digest = write_dataset(ctx.artifacts / "datasets", dataset)
        table = lake.replace_batch("datasets", lake_rows(dataset, digest), "dataset_digest", digest, run_id=ctx.run_id)
        withdraw_erased(lake, selection, path, digest, ctx.run_id)
    phase, reason = judge_size(selection, ctx.config)
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


def superseded_by(champion: ModelRef | None, model_name: str) -> Callable[[ScoredTrace], bool]:
    """Whether an answer comes from an older version of our own model, whose mistakes are history.

    Unknown versions and other models' answers stay. Without a champion nothing is known to be older.
    """
    current = ("", str(champion.version)) if champion else None
    return lambda trace: current is not None and trace.model == model_name and trace.model_version not in current


def judge_size(selection: Selection, config: PipelineConfig) -> tuple[Literal["Successful", "Failed"], str]:
    """Whether there is enough for the configured method: pairs for DPO, prompts for GRPO."""
    unit, count = ("pairs", len(selection.pairs)) if config.train.method == "dpo" else ("prompts", len(selection.prompts))
    needed = config.curate.min_pairs
    if count < needed:
        return "Failed", f"{count} {unit}, and {config.train.method} needs at least {needed} (curate.min_pairs): collect more traces"
    return "Successful", f"{len(selection.pairs)} pairs and {len(selection.prompts)} prompts"
