"""Every step there is: those of the loop in its order, then those around it. Read this to know what exists."""

from __future__ import annotations

from steps.contract.errors import UsageError
from steps.contract.spec import StepSpec

STEPS: tuple[StepSpec, ...] = (
    StepSpec("ingest", "steps.ingest.ingest", "find new trace files and plan them as units"),
    StepSpec("govern", "steps.govern.govern", "read units through the four gates into the lake"),
    StepSpec("label", "steps.label.label", "score traces 0-1 with Ragas and the judge"),
    StepSpec("curate", "steps.curate.curate", "build preference pairs and prompts"),
    StepSpec("train", "steps.train.train", "train a candidate with DPO or GRPO"),
    StepSpec("gate", "steps.gate.gate", "compare candidate and champion on the golden set"),
    StepSpec("register", "steps.registry.register", "record the candidate with its lineage"),
    StepSpec("release", "steps.release.release", "commit the new model pin to Git"),
)

# The same work as `govern` and `label`, cut so that many pods share it and one commits.
FAN_OUT_STEPS: tuple[StepSpec, ...] = (
    StepSpec("govern-shard", "steps.govern.govern_shard", "read one unit through the gates into data files"),
    StepSpec("govern-commit", "steps.govern.govern_commit", "commit what all govern shards wrote"),
    StepSpec("label-plan", "steps.label.label_plan", "divide the traces that lack a label into shares"),
    StepSpec("label-shard", "steps.label.label_shard", "score one share of the traces into files"),
    StepSpec("label-commit", "steps.label.label_commit", "commit what all label shards scored"),
)

# What a workflow needs around the loop.
WORKFLOW_STEPS: tuple[StepSpec, ...] = (
    StepSpec("check-params", "steps.operate.approval.check_params", "refuse wrong workflow parameters at once"),
    StepSpec("resolve", "steps.operate.approval.resolve", "fix champion, base model, golden set and snapshot of a run"),
    StepSpec("estimate", "steps.operate.approval.estimate", "estimate what the training will cost"),
    StepSpec("nemo-prepare", "steps.train.nemo.nemo_prepare", "write data files and configuration of a NeMo-RL training"),
    StepSpec("nemo-collect", "steps.train.nemo.nemo_collect", "turn a finished NeMo-RL training into a candidate"),
    StepSpec("approve", "steps.operate.approval.approve", "record a person's decision"),
    StepSpec("reject", "steps.operate.approval.reject", "end a declined run with exit code 65"),
    StepSpec("record-outcome", "steps.operate.record_outcome", "record how a workflow ended and notify"),
)

# What operators and schedules run.
OPERATORS_STEPS: tuple[StepSpec, ...] = (
    StepSpec("cost-review", "steps.operate.cost.cost_review", "review what a quarter cost and what it bought"),
    StepSpec("backfill", "steps.ingest.backfill", "plan the trace files of a range of days"),
    StepSpec("erase", "steps.operate.erase", "take one user's data out of the lake and keep it out"),
    StepSpec("maintain", "steps.operate.maintain", "retention, compaction, snapshot expiry, file clean-up"),
    StepSpec("prune-models", "steps.registry.prune_models", "delete files of old models, never of the last champions"),
    StepSpec("backtest", "steps.operate.backtest", "try a changed reward policy on past traces"),
    StepSpec("reconcile", "steps.release.reconcile", "make pin and champion agree with the Rollout"),
    StepSpec("rollback", "steps.release.rollback", "put an earlier model version back"),
)

ALL_STEPS: tuple[StepSpec, ...] = (*STEPS, *FAN_OUT_STEPS, *WORKFLOW_STEPS, *OPERATORS_STEPS)


def find_step(name: str) -> StepSpec:
    """Return the step called `name`.

    Raises:
        UsageError: no step has that name.
    """
    for spec in ALL_STEPS:
        if spec.name == name:
            return spec
    raise UsageError(f"no step is called {name!r}; steps are: {', '.join(spec.name for spec in ALL_STEPS)}")
