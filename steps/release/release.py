"""Release: one commit that moves model pin and agent manifest of one environment; Argo CD does the rest.

In pull-request mode (`release.mode`) the commit waits on a branch of its own; the step ends well all the
same, and what people merge is seen by the next `reconcile`, as any other commit.
"""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field

from steps.contract.errors import DataError
from steps.contract.refs import ArtifactRef, Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.release.change import release
from steps.release.withdrawn import check_releasable


class Params(Frozen):
    """What to release."""

    model: ModelRef = Field(description="registry version")
    artifact: ArtifactRef = Field(description="its files")
    approved_by: str = Field(description="who approved the deployment; signs the commit off")
    expected_current: str = Field(default="", description="the pin that must stand there now (`agent-model@2`); empty: any")
    verdict: ArtifactRef | None = Field(default=None, description="the gate's verdict, named in the commit message")
    approved_digest: str = Field(default="", description="SHA-256 of the model that a person approved; empty when nobody had to")


class Result(Frozen):
    """The commit that holds the pin."""

    commit: str = Field(description="the new commit, or the existing one when nothing changed")
    previous_commit: str = Field(description="the branch before it")
    changed: bool = Field(description="whether a commit was made")
    previous_version: int | None = Field(description="the version pinned before; None: none was")
    branch: str = Field(
        default="", description="where the commit is: `release.branch`, or in pull-request mode the branch that waits to be merged"
    )


def run(params: Params, ctx: StepContext) -> Result:
    """Commit the pin of `params.model`; if it is there already, say so and change nothing.

    Raises:
        ConfigError: the repository, branch or pin file does not exist.
        DataError: the model is not the approved one, the version was taken back, another version is pinned than expected,
            the agent manifest names another model than the pin, or a file is malformed.
        AccessError, TransientError: the repository cannot be written or the registry not be asked, or not now.
    """
    approved = params.approved_digest.rpartition("sha256:")[2]
    if approved and approved != params.artifact.sha256:
        raise DataError(f"model {params.artifact.sha256[:12]} is not the approved {approved[:12]}: approve this model, then release it")
    check_releasable(params.model, ctx)
    expected = ModelRef.model_validate(params.expected_current) if params.expected_current else None
    done = release(ctx, params.model, params.artifact, approved_by=params.approved_by, expected=expected, verdict=params.verdict)
    return Result(**asdict(done))
