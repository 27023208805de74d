"""Every step there is: those of the loop in its order, then those of operators and schedules. Read this to know what exists.

A step says what it is, and what an orchestrator needs to run it: service account, compute class, outputs, mutex, metrics.
"""

from __future__ import annotations

from steps.contract.errors import UsageError
from steps.contract.spec import StepSpec
from steps.contract.step_metrics import ERASURES, ESTIMATED, GOVERNED, JUDGED, LABELLED, OF_A_MONTH, OF_A_QUARTER, OF_A_RUN

# Held while a step works, across all workflows of a namespace.
LAKE_COMMIT, RELEASE = "ctp-lake-commit", "ctp-release"

STEPS: tuple[StepSpec, ...] = (
    StepSpec(
        "check-params",
        "steps.operate.approval.check_params",
        "refuse wrong workflow parameters at once",
        account="workflow",
        outputs=("since", "until", "method", "trainer", "config_hash"),
    ),
    StepSpec(
        "resolve",
        "steps.operate.approval.resolve",
        "fix champion, base model, golden set and snapshot of a run",
        account="registry",
        compute="registry",
        outputs=("champion", "champion_artifact", "previous", "previous_artifact", "base", "golden", "traces"),
    ),
    StepSpec(
        "ingest",
        "steps.ingest.ingest",
        "find new trace files and plan them as units",
        account="ingest",
        outputs=("plan", "unit_ids", "files"),
        rows="files",
    ),
    StepSpec(
        "govern-shard",
        "steps.govern.govern_shard",
        "read one unit through the four gates into data files",
        account="ingest",
        compute="data",
        outputs=("manifest", "kept"),
        rows="kept",
    ),
    StepSpec(
        "govern-commit",
        "steps.govern.govern_commit",
        "commit what all govern shards wrote",
        account="ingest",
        compute="data",
        outputs=("traces", "snapshot_id", "read", "written", "stopped", "quarantined"),
        rows="written",
        mutex=LAKE_COMMIT,
        metrics=GOVERNED,
    ),
    StepSpec(
        "label-plan",
        "steps.label.label_plan",
        "divide the traces that lack a label into shards",
        account="label",
        compute="data",
        outputs=("shards", "traces", "unlabelled", "policy_version"),
    ),
    StepSpec(
        "label-shard",
        "steps.label.label_shard",
        "score one shard of the traces 0-1 with Ragas and the judge",
        account="label",
        compute="judge",
        outputs=("manifest", "labelled"),
        rows="labelled",
    ),
    StepSpec(
        "label-commit",
        "steps.label.label_commit",
        "commit what all label shards scored",
        account="label",
        compute="data",
        outputs=("labels", "policy_version", "mean_score", "labelled", "unscored"),
        rows="labelled",
        mutex=LAKE_COMMIT,
        metrics=LABELLED,
    ),
    StepSpec(
        "curate",
        "steps.curate.curate",
        "build preference pairs and prompts",
        account="label",
        compute="data",
        outputs=("phase", "reason", "dataset", "digest", "snapshot_id", "pairs", "prompts"),
        rows="pairs",
    ),
    StepSpec(
        "estimate",
        "steps.operate.approval.estimate",
        "estimate what the training will cost",
        account="workflow",
        outputs=("phase", "reason", "gpu_hours", "cpu_core_hours", "usd", "month_usd", "config_hash"),
        metrics=ESTIMATED,
    ),
    StepSpec(
        "approve",
        "steps.operate.approval.approve",
        "record a person's decision",
        account="workflow",
        compute="registry",
        outputs=("decision", "phase", "by", "at", "digest", "reason"),
    ),
    StepSpec(
        "reject",
        "steps.operate.approval.reject",
        "end a declined run with exit code 65",
        account="workflow",
        retried=False,
    ),
    StepSpec(
        "train",
        "steps.train.train",
        "train a candidate with DPO or GRPO",
        account="train",
        compute="train",
        outputs=("model", "method", "steps", "seconds"),
        model_image=True,
    ),
    StepSpec(
        "nemo-prepare",
        "steps.train.nemo.nemo_prepare",
        "write data files and configuration of a NeMo-RL training",
        account="train",
        compute="nemo",
        outputs=("key", "needed", "nodes", "gpus_per_node", "gpus", "steps", "rows"),
        rows="rows",
        model_image=True,
    ),
    StepSpec(
        "nemo-collect",
        "steps.train.nemo.nemo_collect",
        "turn a finished NeMo-RL training into a candidate",
        account="train",
        compute="nemo",
        outputs=("model", "method", "steps", "seconds"),
        model_image=True,
    ),
    StepSpec(
        "gate",
        "steps.gate.gate",
        "compare candidate and champion on the golden set",
        account="gate",
        compute="gate",
        outputs=("phase", "reason", "metrics", "verdict"),
        model_image=True,
        model_servers=True,
        metrics=JUDGED,
    ),
    StepSpec(
        "register",
        "steps.registry.register",
        "record the candidate with its lineage",
        account="registry",
        compute="registry",
        outputs=("model", "artifact"),
    ),
    StepSpec(
        "release",
        "steps.release.release",
        "commit the new model pin to Git",
        account="release",
        compute="registry",
        outputs=("commit", "changed"),
        mutex=RELEASE,
    ),
    StepSpec(
        "record-outcome",
        "steps.operate.record_outcome",
        "record how a workflow ended and notify",
        account="workflow",
        outputs=("outcome", "recorded", "notified"),
        metrics=(*OF_A_RUN, *OF_A_MONTH),
    ),
)

OPERATORS_STEPS: tuple[StepSpec, ...] = (
    StepSpec(
        "cost-review",
        "steps.operate.cost.cost_review",
        "review what a quarter cost and what it bought",
        account="workflow",
        compute="registry",
        outputs=("quarter", "statement", "report", "page", "usd_at_most", "gpu_hours_at_most", "releases", "left_usd"),
        metrics=OF_A_QUARTER,
    ),
    StepSpec(
        "backfill",
        "steps.ingest.backfill",
        "plan the trace files of a range of days",
        account="ingest",
        outputs=("plan", "unit_ids", "files"),
        rows="files",
    ),
    StepSpec(
        "erase",
        "steps.operate.erase",
        "take one user's data out of the lake and keep it out",
        account="erase",
        compute="data",
        outputs=("complete", "traces", "pending_files", "models", "next_step"),
        rows="traces",
        mutex=LAKE_COMMIT,
        metrics=ERASURES,
    ),
    StepSpec(
        "maintain",
        "steps.operate.maintain",
        "retention, compaction, snapshot expiry, file clean-up",
        account="maintenance",
        compute="data",
        outputs=("retired_traces", "compacted", "expired_snapshots", "deleted_files", "freed_bytes"),
        rows="retired_traces",
        mutex=LAKE_COMMIT,
        metrics=ERASURES,
    ),
    StepSpec(
        "prune-models",
        "steps.registry.prune_models",
        "delete files of old models, never of the last champions",
    ),
    StepSpec(
        "backtest",
        "steps.operate.backtest",
        "try a changed reward policy on past traces",
        account="label",
        compute="judge",
        outputs=("compared", "mean_old", "mean_new", "shift", "rank_correlation", "pairs_flipped", "report"),
        rows="compared",
    ),
    StepSpec(
        "reconcile",
        "steps.release.reconcile",
        "make pin and champion agree with the Rollout",
        account="release",
        compute="registry",
        outputs=("action", "reason", "champion", "pinned"),
        mutex=RELEASE,
    ),
    StepSpec(
        "rollback",
        "steps.release.rollback",
        "put an earlier model version back",
    ),
)

ALL_STEPS: tuple[StepSpec, ...] = (*STEPS, *OPERATORS_STEPS)


def find_step(name: str) -> StepSpec:
    """Return the step called `name`.

    Raises:
        UsageError: no step has that name.
    """
    for spec in ALL_STEPS:
        if spec.name == name:
            return spec
    raise UsageError(f"no step is called {name!r}; steps are: {', '.join(spec.name for spec in ALL_STEPS)}")
