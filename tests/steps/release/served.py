"""A pinned model, and the Rollout that serves it, as the Kubernetes API would print it."""

from __future__ import annotations

import json

from steps.contract.catalog import find_step
from steps.contract.refs import ModelRef
from steps.contract.runtime import run_step
from steps.store.aliases import champion, model_uri
from steps.store.registry import open_registry

ROLLOUT = "/apis/argoproj.io/v1alpha1/namespaces/model-serving/rollouts/agent-model"
ANALYSES = "/apis/argoproj.io/v1alpha1/namespaces/model-serving/analysisruns"


def pin(ctx, version, **given):
    ref = ModelRef(name=ctx.config.model_name, version=version)
    artifact = model_uri(open_registry(ctx.config, ctx.workdir), ref)
    return run_step(find_step("release"), {"model": str(ref), "artifact": str(artifact), "approved_by": "Ada", **given}, ctx)


def rollout(phase, version=2, **status):
    labels = {"ctp.model-version": str(version)} if version else {}
    return {
        "kind": "Rollout",
        "metadata": {"generation": 4},
        "spec": {"template": {"metadata": {"labels": labels}}},
        "status": {"phase": phase, "observedGeneration": "4", "message": "", **status},
    }


def aborted(version=2, at="2020-01-02T10:00:30Z", weight=0, **status):
    """As the controller leaves a Rollout after an abort."""
    given = {"abort": True, "abortedAt": at, "currentPodHash": "new", "stableRS": "old", "message": "RolloutAborted: metric failed"}
    return rollout("Degraded", version, **given, canary={"weights": {"canary": {"weight": weight}}}, **status)


def analysis_run(*phases, rollout="agent-model", phase="Failed", dry=False):
    """One metric measured every ten seconds from 10:00:00."""
    measurements = [
        {"phase": found, "startedAt": f"2020-01-02T10:00:{10 * n:02d}Z", "finishedAt": f"2020-01-02T10:00:{10 * n:02d}Z"}
        for n, found in enumerate(phases)
    ]
    return {
        "metadata": {"ownerReferences": [{"kind": "Rollout", "name": rollout}]},
        "status": {"phase": phase, "metricResults": [{"name": "error-ratio", "phase": phase, "dryRun": dry, "measurements": measurements}]},
    }


def reconcile(ctx, document=None):
    return run_step(find_step("reconcile"), {"status": json.dumps(document)} if document else {}, ctx)


def serving(ctx):
    found = champion(open_registry(ctx.config, ctx.workdir), ctx.config.model_name)
    return found.version if found else None


def tags(ctx, version):
    return open_registry(ctx.config, ctx.workdir).tags(ctx.config.model_name, version)
