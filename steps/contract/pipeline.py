"""The loop as data: every node from the check of what was typed to the record of how the run ended.

`LOOP` is the whole of it. `steps.contract.workflows` lists it with the workflows that run a part of it or stand
around it. What a node may say, and how sources are written, is in `steps.contract.nodes`.
"""

from __future__ import annotations

from steps.contract.nodes import Approval, Case, Choice, Condition, FanOut, Node, Shown, Step, Wait, bind

# What offers training on many nodes.
MANY_NODES = "train.nemo.enabled"


def check(name: str, needs: str, by: str = "=the pipeline") -> Choice:
    """Go on only when the node's phase is Successful; any other phase ends the run and says why."""
    rejected = Step(name=f"rejected-{needs}", step="reject", inputs=bind(stage=f"={needs}", reason=f"{needs}.reason", by=by))
    return Choice(name=name, needs=(needs,), on=f"{needs}.phase", cases={"Successful": Case()}, otherwise=rejected)


def decline(approval: str) -> Step:
    """What ends a run that a person has declined."""
    inputs = bind(stage=f"={approval}", reason=f"{approval}.reason", by=f"{approval}.by")
    return Step(name=f"rejected-{approval}", step="reject", inputs=inputs)


CHECK_PARAMS = Step(
    name="check-params",
    step="check-params",
    title="Check parameters",
    inputs=bind(
        window_days="run.window_days",
        method="run.method",
        trainer="run.trainer",
        base_model="run.base_model",
        max_cost_usd="run.max_cost_usd",
        sources="run.sources",
    ),
    summary="configuration {config_hash:.12}",
)
RESOLVE = Step(
    name="resolve",
    step="resolve",
    title="Resolve names",
    needs=("check-params",),
    inputs=bind(golden="run.golden", base_model="run.base_model"),
    summary="champion {champion}",
)
INGEST = Step(
    name="ingest",
    step="ingest",
    title="Ingest",
    needs=("resolve",),
    inputs=bind(sources="run.sources"),
    summary="{files} trace files, {skipped_files} known already",
)
# Units are named by their ids and found in the plan's file, so that thousands of files never stand in an argument.
GOVERN = FanOut(
    name="govern",
    title="Govern",
    needs=("ingest",),
    inputs=bind(plan="ingest.plan", unit_ids="ingest.unit_ids"),
    items="in.unit_ids",
    shard=Step(name="shard", step="govern-shard", inputs=bind(unit="item", plan="in.plan")),
    commit=Step(name="commit", step="govern-commit", inputs=bind(plan="in.plan")),
    may_be_empty=True,
    parallelism="govern",
    frees="sources",
    summary="{read} traces read, {written} kept, {quarantined} quarantined, {duplicates} duplicates, stopped by gate: {by_gate}",
)
LABEL = FanOut(
    name="label",
    title="Label",
    needs=("govern",),
    inputs=bind(traces="govern.traces", golden="resolve.golden", since="check-params.since", until="check-params.until"),
    plan=Step(name="plan", step="label-plan", inputs=bind(traces="in.traces", golden="in.golden", since="in.since", until="in.until")),
    items="plan.shards",
    shard=Step(
        name="shard",
        step="label-shard",
        inputs=bind(traces="plan.traces", shard="item.shard", shards="item.shards", since="in.since", until="in.until"),
    ),
    commit=Step(
        name="commit",
        step="label-commit",
        inputs=bind(traces="plan.traces", shards="shard.manifest", since="in.since", until="in.until"),
    ),
    parallelism="label",
    summary="{labelled} traces labelled, {unscored} without a score, mean reward {mean_score}",
)
CURATE = Step(
    name="curate",
    step="curate",
    title="Curate",
    needs=("label",),
    inputs=bind(
        traces="govern.traces",
        labels="label.labels",
        policy_version="label.policy_version",
        golden="resolve.golden",
        champion="resolve.champion",
        since="check-params.since",
        until="check-params.until",
    ),
    summary="{pairs} preference pairs, {prompts} prompts, dataset {digest:.12}",
)
ESTIMATE = Step(
    name="estimate",
    step="estimate",
    title="Estimate",
    needs=("curate-verdict",),
    inputs=bind(pairs="curate.pairs", method="check-params.method", trainer="check-params.trainer", max_cost_usd="run.max_cost_usd"),
    summary="{phase}: {reason}",
)
APPROVE_TRAIN = Approval(
    name="approve-train",
    title="Approve training",
    needs=("estimate-verdict",),
    record="approve",
    shows=(
        Shown("curate_digest", "curate.digest", "SHA-256 of the dataset: training refuses any other"),
        Shown("curate_snapshot_id", "curate.snapshot_id", "its snapshot of the lake's datasets table"),
        Shown("curate_pairs", "curate.pairs", "preference pairs"),
        Shown("curate_prompts", "curate.prompts", "prompts"),
        Shown("label_mean_score", "label.mean_score", "mean reward of the labelled traces, 0-1"),
        Shown("config_hash", "estimate.config_hash", "digest of the configuration"),
        Shown("estimated_usd", "estimate.usd", "estimated US dollars"),
        Shown("estimated_gpu_hours", "estimate.gpu_hours", "estimated GPU hours"),
        Shown("month_usd", "estimate.month_usd", "US dollars spent and reserved this month, without this training"),
        Shown("estimate", "estimate.reason", "what the estimate rests on", "free"),
    ),
    binds="curate.digest",
    rejected=decline("approve-train"),
    summary="{decision} by {by}",
)
_TRAIN_INPUTS = bind(dataset="in.dataset", base="in.base", method="in.method", approved_digest="in.approved_digest")
TRAIN = Choice(
    name="train",
    title="Train",
    needs=("approve-train",),
    on="check-params.trainer",
    inputs=bind(dataset="curate.dataset", base="resolve.base", method="check-params.method", approved_digest="approve-train.digest"),
    cases={
        "trl": Case(name="trl", nodes=(Step(name="trl", step="train", inputs=_TRAIN_INPUTS),)),
        "nemo-rl": Case(
            name="nemo",
            requires=MANY_NODES,
            # Two trainings of the same content would write the same checkpoints.
            mutex="ctp-nemo-rl",
            nodes=(
                Step(name="prepare", step="nemo-prepare", inputs=_TRAIN_INPUTS),
                Wait(
                    name="rayjob",
                    waits_for="RayJob",
                    account="train",
                    needs=("prepare",),
                    when=(Condition("prepare.needed", "yes"),),
                    inputs=bind(key="prepare.key", nodes="prepare.nodes", gpus_per_node="prepare.gpus_per_node"),
                    gpus="prepare.gpus",
                    places=("argo",),
                ),
                Step(name="collect", step="nemo-collect", needs=("rayjob",), inputs=bind(**_TRAIN_INPUTS, key="prepare.key")),
            ),
        ),
    },
    summary="{steps} steps in {seconds:.1f} s",
)
GATE = Step(
    name="gate",
    step="gate",
    title="Gate",
    needs=("train",),
    inputs=bind(
        champion="resolve.champion_artifact",
        candidate="train.model",
        golden="resolve.golden",
        champion_url="run.champion_url",
        candidate_url="run.candidate_url",
    ),
    summary="{phase}: {reason}",
)
REGISTER = Step(
    name="register",
    step="register",
    title="Register",
    needs=("gate-verdict",),
    inputs=bind(
        model="train.model",
        base="resolve.base",
        dataset="curate.dataset",
        verdict="gate.verdict",
        gate_phase="gate.phase",
        traces="govern.traces",
        policy_version="label.policy_version",
        method="train.method",
        approved_by="approve-train.by",
        approved_at="approve-train.at",
    ),
    summary="{model}",
)
APPROVE_DEPLOY = Approval(
    name="approve-deploy",
    title="Approve release",
    needs=("register",),
    record="approve",
    shows=(
        Shown("register_model", "register.model", "the registered version"),
        Shown("gate_phase", "gate.phase", "the gate's phase"),
        Shown("gate_reason", "gate.reason", "what decided it", "free"),
        Shown("artifact", "train.model", "its files and their digest: release refuses any other"),
        Shown("metrics", "gate.metrics", "both models' metrics with the 95 % intervals of the difference, as JSON", "json"),
        Shown("verdict", "gate.verdict", "the whole verdict"),
    ),
    binds="train.model",
    model="register.model",
    rejected=decline("approve-deploy"),
    summary="{decision} by {by}",
)
RELEASE = Step(
    name="release",
    step="release",
    title="Release",
    needs=("approve-deploy",),
    inputs=bind(
        model="register.model",
        artifact="register.artifact",
        approved_by="approve-deploy.by",
        expected_current="resolve.champion",
        verdict="gate.verdict",
        approved_digest="approve-deploy.digest",
    ),
    summary="commit {commit:.10}",
)
# On a cluster Argo CD and Argo Rollouts act on the commit, and the workflow `release-reconcile` looks every minute.
CANARY = Wait(
    name="canary",
    title="Canary",
    needs=("release",),
    waits_for="Rollout",
    inputs=bind(candidate="register.model", artifact="train.model", champion="resolve.champion", serving="resolve.champion_artifact"),
    places=("laptop",),
    summary="{outcome}: {reason}",
)
RECONCILE = Step(
    name="reconcile",
    step="reconcile",
    title="Reconcile",
    needs=("canary",),
    inputs=bind(status="canary.rollout"),
    places=("laptop",),
    summary="{action}: champion {champion}",
)
# Where the pin went back, this closes the record of how long that took; else it changes nothing.
CONFIRM = Step(
    name="confirm",
    step="reconcile",
    title="Confirm",
    needs=("reconcile",),
    inputs=bind(status="canary.restored"),
    places=("laptop",),
    summary="{action}: champion {champion}",
)
RECORD_OUTCOME = Step(
    name="record-outcome",
    step="record-outcome",
    title="Record outcome",
    inputs=bind(
        workflow="run.workflow", status="run.status", duration_s="run.duration_s", failures="run.failures", namespace="run.namespace"
    ),
    summary="{outcome}",
)

LOOP: tuple[Node, ...] = (
    CHECK_PARAMS,
    RESOLVE,
    INGEST,
    GOVERN,
    LABEL,
    CURATE,
    check("curate-verdict", "curate"),
    ESTIMATE,
    check("estimate-verdict", "estimate"),
    APPROVE_TRAIN,
    TRAIN,
    GATE,
    check("gate-verdict", "gate"),
    REGISTER,
    APPROVE_DEPLOY,
    RELEASE,
    CANARY,
    RECONCILE,
    CONFIRM,
)
