"""Every step there is: those of the loop in its order, then those around it. Read this to know what exists."""

from __future__ import annotations

from steps.core.spec import StepSpec
from steps.errors import UsageError

STEPS: tuple[StepSpec, ...] = (
    StepSpec("ingest", "steps.ingest.step", "find new trace files and plan them as units"),
    StepSpec("govern", "steps.govern.step", "read units through the four gates into the lake"),
    StepSpec("label", "steps.label.step", "score traces 0-1 with Ragas and the judge"),
    StepSpec("curate", "steps.curate.step", "build preference pairs and prompts"),
    StepSpec("train", "steps.train.step", "train a candidate with DPO or GRPO"),
    StepSpec("gate", "steps.gate.step", "compare candidate and champion on the golden set"),
    StepSpec("register", "steps.registry.step", "record the candidate with its lineage"),
    StepSpec("release", "steps.release.step", "commit the new model pin to Git"),
)

# The same work as `govern` and `label`, cut so that many pods share it and one commits.
FAN_OUT_STEPS: tuple[StepSpec, ...] = (
    StepSpec("govern-shard", "steps.govern.shard", "read one unit through the gates into data files"),
    StepSpec("govern-commit", "steps.govern.commit", "commit what all govern shards wrote"),
    StepSpec("label-plan", "steps.label.plan", "divide the traces that lack a label into shares"),
    StepSpec("label-shard", "steps.label.shard", "score one share of the traces into files"),
    StepSpec("label-commit", "steps.label.commit", "commit what all label shards scored"),
)

# What a workflow needs around the loop.
WORKFLOW_STEPS: tuple[StepSpec, ...] = (
    StepSpec("check-params", "steps.approval.check_params", "refuse wrong workflow parameters at once"),
    StepSpec("resolve", "steps.approval.resolve", "fix champion, base model, golden set and snapshot of a run"),
    StepSpec("estimate", "steps.approval.estimate", "estimate what the training will cost"),
    StepSpec("nemo-prepare", "steps.train.nemo.prepare", "write data files and configuration of a NeMo-RL training"),
    StepSpec("nemo-collect", "steps.train.nemo.collect", "turn a finished NeMo-RL training into a candidate"),
    StepSpec("approve", "steps.approval.approve", "record a person's decision"),
    StepSpec("reject", "steps.approval.reject", "end a declined run with exit code 65"),
    StepSpec("record-outcome", "steps.upkeep.record_outcome", "record how a workflow ended and notify"),
)

# What operators and schedules run.
OPERATORS_STEPS: tuple[StepSpec, ...] = (
    StepSpec("cost-review", "steps.kpi.cost_review", "review what a quarter cost and what it bought"),
    StepSpec("backfill", "steps.ingest.backfill", "plan the trace files of a range of days"),
    StepSpec("erase", "steps.upkeep.erase", "take one user's data out of the lake and keep it out"),
    StepSpec("maintain", "steps.upkeep.maintain", "retention, compaction, snapshot expiry, file clean-up"),
    StepSpec("prune-models", "steps.registry.prune", "delete files of old models, never of the last champions"),
    StepSpec("backtest", "steps.label.backtest", "try a changed reward policy on past traces"),
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
