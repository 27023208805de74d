"""Step `govern-commit`: what all shards wrote becomes visible, one commit a table."""

from __future__ import annotations

from typing import Annotated

from steps.contract.refs import ArtifactRef, FromJson, Frozen
from steps.contract.spec import StepContext
from steps.govern.govern import Result as Result


class Params(Frozen):
    """Which shards: the manifests themselves, or the plan whose units were all governed.

    Attributes:
        shards: manifests of `govern-shard`, as a JSON list.
        plan: the plan that `ingest` or `backfill` wrote; every unit of it must have been governed.
    """

    shards: Annotated[tuple[ArtifactRef, ...], FromJson] = ()
    plan: ArtifactRef | None = None


def run(params: Params, ctx: StepContext) -> Result:
    """Commit every unit that is not committed yet; the same tables as the step `govern` makes.

    Raises:
        DataError: a shard is missing, or one of its files is not what its manifest says.
        TransientError: the lake does not answer or other writers won every race.
    """
    from steps.govern.committer import commit_shards

    return commit_shards(params, ctx)
