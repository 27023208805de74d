"""Curate: scored traces become preference pairs (DPO) and prompts (GRPO)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

from steps.config import PipelineConfig
from steps.core.golden import read_golden
from steps.core.refs import ArtifactRef, Frozen, ModelRef, TableRef
from steps.core.spec import StepContext
from steps.curate.contamination import GoldenGuard
from steps.curate.pairs import ScoredTrace, Selection, select


class Params(Frozen):
    """Snapshots to read, the reward policy, and what must stay out."""

    traces: TableRef
    labels: TableRef
    policy_version: str
    golden: ArtifactRef | None = None
    champion: ModelRef | None = None


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
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("curating", unit="traces") as task:
        candidates = []
        for trace in scored_traces(lake, params.traces, params.labels, params.policy_version, skipped):
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
