"""Step `approve`: record what a person decided about which content."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from steps.contract.refs import FromJson, Frozen, ModelRef
from steps.contract.spec import StepContext


class Params(Frozen):
    """The decision.

    Attributes:
        stage: which approval.
        decision: `yes` or `no`.
        reason: one line of the approver's.
        approver: who decided; a `yes` needs a name.
        digest: content that the decision is bound to: 64 hex digits, or a reference that ends with them.
        shown: what the person saw, as a JSON object.
        model: registered version whose tags get the decision too (approve-deploy).
    """

    stage: Literal["approve-train", "approve-deploy"]
    decision: Literal["yes", "no"] = "no"
    reason: str = Field(default="", max_length=2000)
    approver: str = Field(default="", max_length=200)
    digest: str = Field(pattern=r"^(.*sha256:)?[0-9a-f]{64}$")
    shown: Annotated[dict[str, Any], FromJson] = {}
    model: ModelRef | None = None


class Result(Frozen):
    """The decision as recorded.

    Attributes:
        decision: `approved` or `rejected`.
        phase: `Successful` when approved, else `Rejected`.
        by: who decided.
        at: when, ISO 8601 UTC.
        digest: 64 hex digits; the next step refuses other content.
        reason: the approver's line.
    """

    decision: Literal["approved", "rejected"]
    phase: Literal["Successful", "Rejected"]
    by: str
    at: str
    digest: str
    reason: str


def run(params: Params, ctx: StepContext) -> Result:
    """Record the decision in `runs`; a repeated call with the same decision keeps the first record.

    Raises:
        UsageError: a `yes` names nobody.
        DataError: this run's approval was decided otherwise before, or the model does not exist.
        TransientError: the lake or the registry does not answer.
    """
    from steps.operate.approval.decision import record_decision

    return record_decision(params, ctx)
