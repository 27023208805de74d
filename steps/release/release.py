"""Step `release`: commit model pin and agent manifest of one environment; Argo CD rolls out the commit.

In pull-request mode (`release.mode`) the commit waits on a branch of its own. The step succeeds all the same, and
the next `reconcile` sees what people merge, as it sees any other commit.
"""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field

from steps.contract.errors import DataError
from steps.contract.refs import ArtifactRef, Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.release.change import release
from steps.store.aliases import CHAMPION, taken_back
from steps.store.registry import open_registry, registry_uri, sqlite_path


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
    change = release(ctx, params.model, params.artifact, approved_by=params.approved_by, expected=expected, verdict=params.verdict)
    return Result(**asdict(change))


def check_releasable(model: ModelRef, ctx: StepContext) -> None:
    """Refuse a version that was aborted or rolled back and does not serve; against one that the registry never saw nothing is known.

    Rollouts' rollback window sends traffic to an older ReplicaSet without steps and without analysis, also to one that a
    canary aborted once. The version's number is in its pods' template, so a number that was taken back stays out of the
    pin; the same model, registered again, gets a number of its own and is watched like any other.

    Raises:
        DataError: it was taken back.
        AccessError, TransientError: the registry cannot be asked.
    """
    file = sqlite_path(registry_uri(ctx.config, ctx.workdir))
    if file is not None and not file.exists():
        return
    client = open_registry(ctx.config, ctx.workdir)
    try:
        tags = client.tags(model.name, model.version)
    except DataError:
        return
    if (reason := taken_back(tags)) and client.aliases(model.name).get(CHAMPION) != model.version:
        why = f"{model} {reason}, and a Rollout may bring an earlier version back without any analysis"
        raise DataError(f"{why}: register the model again, which numbers it anew, or put a former champion back with ctp rollback --to")
