"""Fan-outs of the loop, one shard after another: what production runs in pods."""

from __future__ import annotations

from steps.contract.catalog import find_step
from steps.contract.runtime import run_step


def step(name, ctx, **params):
    return run_step(find_step(name), params, ctx)


def govern_plan(planned, ctx):
    """Shards and commit of a plan that `ingest` or `backfill` made."""
    for unit in planned.unit_ids:
        step("govern-shard", ctx, unit=unit, plan=planned.plan)
    return step("govern-commit", ctx, plan=planned.plan)


def govern(ctx, *sources):
    """New trace files through the gates into the lake."""
    return govern_plan(step("ingest", ctx, sources=tuple(str(source) for source in sources)), ctx)


def label(ctx, traces, **params):
    """Labels for the traces of a snapshot that lack one."""
    plan = step("label-plan", ctx, traces=traces, **params)
    window = {name: params[name] for name in ("since", "until") if name in params}
    shards = [step("label-shard", ctx, traces=plan.traces, shard=item.shard, shards=item.shards, **window) for item in plan.shards]
    return step("label-commit", ctx, traces=plan.traces, shards=tuple(shard.manifest for shard in shards), **window)
