"""Decisions of people, on record in the lake's `runs` and on the registered model."""

from __future__ import annotations

from datetime import UTC, datetime

from steps.contract.errors import DataError, UsageError
from steps.contract.refs import ModelRef
from steps.contract.spec import StepContext
from steps.operate.approval.approve import Params, Result
from steps.registry.card import amend_card
from steps.store import registry as clients
from steps.store.aliases import model_uri
from steps.store.lake import open_lake

# Tags of a registered version.
DECISION, DECIDED_BY, DECIDED_AT = "ctp.deploy-decision", "ctp.deploy-decided-by", "ctp.deploy-decided-at"


def record_decision(params: Params, ctx: StepContext) -> Result:
    """Record a decision; see `steps.operate.approval.approve.run`."""
    by = " ".join(params.approver.split())
    if params.decision == "yes" and not by:
        raise UsageError(f"{params.stage}: a yes needs a name: give --approver")
    made = Result(
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
            made = _same(made, Result.model_validate({name: earlier[0].payload[name] for name in Result.model_fields}), params.stage)
        else:
            payload = made.model_dump() | {"shown": params.shown}
            lake.append_run_record(ctx.run_id, params.stage, payload, key=f"{params.stage}:{ctx.run_id}")
    if params.model is not None:
        tag_decision(params.model, ctx, decision=made.decision, by=made.by, at=made.at, digest=made.digest)
    return made


def _same(made: Result, earlier: Result, stage: str) -> Result:
    """The decision on record, if it is the same one.

    Raises:
        DataError: it was another, or about other content.
    """
    if (made.decision, made.digest) != (earlier.decision, earlier.digest):
        said = f"{earlier.decision} by {earlier.by} at {earlier.at} for {earlier.digest[:12]}"
        raise DataError(f"{stage}: this run was decided before ({said}): start a new run to decide anew")
    return earlier


def tag_decision(model: ModelRef, ctx: StepContext, *, decision: str, by: str, at: str, digest: str) -> None:
    """Say on the registered version and on its card who decided about its deployment.

    Raises:
        DataError: the version has other content than was decided about.
    """
    client = clients.registry(ctx.config, ctx.workdir)
    if model_uri(client, model).sha256 != digest:
        raise DataError(f"{model}: its content is not the decided {digest[:12]}: decide about the registered content")
    for tag, value in ((DECISION, decision), (DECIDED_BY, by), (DECIDED_AT, at)):
        client.set_tag(model.name, model.version, tag, value)
    card = amend_card(client.description(model.name, model.version), client.tags(model.name, model.version))
    client.set_description(model.name, model.version, card)
