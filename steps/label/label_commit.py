"""Step `label-commit`: the labels of all shards become visible in one commit."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from steps.contract.refs import ArtifactRef, FromJson, Frozen, TableRef
from steps.contract.spec import StepContext
from steps.label.label import Result as Result


class Params(Frozen):
    """The manifests of every `label-shard`, as a JSON list; `traces`, `since` and `until` as given to `label-plan`."""

    traces: TableRef
    shards: Annotated[tuple[ArtifactRef, ...], FromJson]
    since: date | None = None
    until: date | None = None


def run(params: Params, ctx: StepContext) -> Result:
    """Commit the labels; the same table as the step `label` makes.

    Raises:
        DataError: a share is missing or comes from another policy or snapshot, or a file is not what its manifest says.
        TransientError: the lake does not answer or other writers won every race.
    """
    from steps.label.sharding import commit_labels

    return commit_labels(params, ctx)
