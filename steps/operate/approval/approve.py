"""Step `approve`: record what a person decided about which content."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from steps.contract.errors import DataError, UsageError
from steps.contract.refs import FromJson, Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.registry.card import amend_card
from steps.store.aliases import model_uri
from steps.store.lake import open_lake
from steps.store.registry import open_registry

# Tags of a registered version.
DECISION, DECIDED_BY, DECIDED_AT = "ctp.deploy-decision", "ctp.deploy-decided-by", "ctp.deploy-decided-at"


class Params(Frozen):
    """The decision."""

    stage: Literal["approve-train", "approve-deploy"] = Field(description="which approval")
    decision: Literal["yes", "no"] = Field(default="no", description="`yes` or `no`")
    reason: str = Field(default="", max_length=2000, description="one line of the approver's")
    approver: str = Field(default="", max_length=200, description="who decided; a `yes` needs a name")
    how: str = Field(
        default="workflow",
        max_length=60,
        description="the way in which the decision was given: a workflow's form, the terminal, or an option of the command",
    )
    digest: str = Field(
        pattern=r"^(.*sha256:)?[0-9a-f]{64}$",
        description="content that the decision is bound to: 64 hex digits, or a reference that ends with them",
    )
    shown: Annotated[dict[str, Any], FromJson] = Field(default={}, description="what the person saw, as a JSON object")
    model: ModelRef | None = Field(default=None, description="registered version whose tags get the decision too (approve-deploy)")


class Result(Frozen):
    """The decision as recorded."""

    decision: Literal["approved", "rejected"] = Field(description="`approved` or `rejected`")
    phase: Literal["Successful", "Rejected"] = Field(description="`Successful` when approved, else `Rejected`")
    by: str = Field(description="who decided")
    at: str = Field(description="when, ISO 8601 UTC")
    digest: str = Field(description="64 hex digits; the next step refuses other content")
    reason: str = Field(description="the approver's line")


def run(params: Params, ctx: StepContext) -> Result:
    """Record the decision in `runs`; a repeated call with the same decision keeps the first record.

    Raises:
        UsageError: a `yes` names nobody.
        DataError: this run's approval was decided otherwise before, or the model does not exist.
        TransientError: the lake or the registry does not answer.
    """
    by = " ".join(params.approver.split())
    if params.decision == "yes" and not by:
        raise UsageError(f"{params.stage}: a yes needs a name: give --approver")
    decision = Result(
        decision="approved" if params.decision == "yes" else "rejected",
        phase="Successful" if params.decision == "yes" else "Rejected",
        by=by or "unknown",
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        digest=params.digest.rpartition("sha256:")[2],
        reason=" ".join(params.reason.split()),
    )
    with open_lake(ctx.config, ctx.workdir) as lake:
        earlier = lake.run_records(params.stage, run_id=ctx.run_id)
        if earlier:
            decision = _same(
                decision, Result.model_validate({name: earlier[0].payload[name] for name in Result.model_fields}), params.stage
            )
        else:
            payload = decision.model_dump() | {"shown": params.shown, "how": params.how}
            lake.append_run_record(ctx.run_id, params.stage, payload, key=f"{params.stage}:{ctx.run_id}")
    if params.model is not None:
        tag_decision(params.model, ctx, decision=decision.decision, by=decision.by, at=decision.at, digest=decision.digest)
    return decision


def _same(decision: Result, earlier: Result, stage: str) -> Result:
    """The decision on record, if it is the same one.

    Raises:
        DataError: it was another, or about other content.
    """
    if (decision.decision, decision.digest) != (earlier.decision, earlier.digest):
        recorded = f"{earlier.decision} by {earlier.by} at {earlier.at} for {earlier.digest[:12]}"
        raise DataError(f"{stage}: this run was decided before ({recorded}): start a new run to decide anew")
    return earlier


def tag_decision(model: ModelRef, ctx: StepContext, *, decision: str, by: str, at: str, digest: str) -> None:
    """Say on the registered version and on its card who decided about its deployment.

    Raises:
        DataError: the version has other content than was decided about.
    """
    client = open_registry(ctx.config, ctx.workdir)
    if model_uri(client, model).sha256 != digest:
        raise DataError(f"{model}: its content is not the decided {digest[:12]}: decide about the registered content")
    for tag, value in ((DECISION, decision), (DECIDED_BY, by), (DECIDED_AT, at)):
        client.set_tag(model.name, model.version, tag, value)
    card = amend_card(client.description(model.name, model.version), client.tags(model.name, model.version))
    client.set_description(model.name, model.version, card)
