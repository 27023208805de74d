"""Decisions: recorded once, bound to content, refused without a name."""

from __future__ import annotations

import pytest

from steps.contract.catalog import find_step
from steps.contract.errors import DataError, UsageError
from steps.contract.refs import ArtifactRef
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.store.lake import open_lake
from steps.store.registry import open_registry

DIGEST = "ab" * 32


def decide(ctx, **params):
    given = {"stage": "approve-train", "decision": "yes", "approver": "Ada", "digest": DIGEST, **params}
    return run_step(find_step("approve"), given, ctx)


def records(ctx, stage="approve-train"):
    with open_lake(ctx.config, ctx.workdir) as lake:
        return [record.payload for record in lake.run_records(stage)]


def test_a_yes_is_recorded_with_what_was_shown(ctx):
    result = decide(ctx, reason="looks\n good", shown='{"pairs": 40}')
    assert (result.decision, result.phase, result.by, result.digest, result.reason) == (
        "approved",
        "Successful",
        "Ada",
        DIGEST,
        "looks good",
    )
    (record,) = records(ctx)
    assert record == result.model_dump() | {"shown": {"pairs": 40}, "how": "workflow"}


def test_a_repeated_decision_is_the_first_one_and_another_is_refused(ctx):
    first = decide(ctx)
    assert decide(ctx, approver="Eve") == first
    for other in ({"decision": "no"}, {"digest": "cd" * 32}):
        with pytest.raises(DataError, match="decided before"):
            decide(ctx, **other)
    assert len(records(ctx)) == 1


def test_nobody_answering_is_a_no(ctx):
    result = run_step(
        find_step("approve"), {"stage": "approve-deploy", "digest": f"file:///m#sha256:{DIGEST}", "approver": "", "reason": ""}, ctx
    )
    assert (result.decision, result.phase, result.by, result.digest) == ("rejected", "Rejected", "unknown", DIGEST)


@pytest.mark.parametrize("wrong", [{"approver": " "}, {"decision": "maybe"}, {"stage": "approve-all"}, {"digest": "abc"}, {"shown": "[1"}])
def test_what_is_no_decision_is_refused(ctx, wrong):
    with pytest.raises(UsageError):
        decide(ctx, **wrong)
    assert records(ctx) == []


def test_a_deployment_is_said_on_the_model_and_only_on_that_content(ctx):
    client = open_registry(ctx.config, ctx.workdir)
    client.ensure_model("agent-model")
    client.create_version("agent-model", "file:///m", {"ctp.uri": "file:///m", "ctp.sha256": DIGEST}, "card")
    decide(ctx, stage="approve-deploy", model="agent-model@1")
    tags = client.tags("agent-model", 1)
    assert (tags["ctp.deploy-decision"], tags["ctp.deploy-decided-by"]) == ("approved", "Ada")
    other = StepContext(ctx.config, "run-2", ctx.workdir)
    with pytest.raises(DataError, match="not the decided"):
        decide(other, stage="approve-deploy", model="agent-model@1", digest="cd" * 32)


def test_release_refuses_other_content_than_the_approved(ctx):
    artifact = ArtifactRef(uri="file:///m", sha256="cd" * 32)
    given = {"model": "agent-model@1", "artifact": str(artifact), "approved_by": "Ada"}
    with pytest.raises(DataError, match="not the approved abababababab"):
        run_step(find_step("release"), {**given, "approved_digest": DIGEST}, ctx)
    assert run_step(find_step("release"), {**given, "approved_digest": artifact.sha256}, ctx).changed
