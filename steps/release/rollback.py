"""Step `rollback`: an operator puts an earlier version back, in Git and in the registry."""

from __future__ import annotations

from pydantic import Field

from steps.core.refs import Frozen, ModelRef
from steps.core.spec import StepContext


class Params(Frozen):
    """Which version, and who decided it.

    Attributes:
        to: registered version; 0: the one that the alias `previous` names.
        approved_by: signs the commit off.
    """

    to: int = Field(default=0, ge=0)
    approved_by: str = Field(min_length=1, max_length=200)


class Result(Frozen):
    """What serves now.

    Attributes:
        model: the version that is pinned and champion.
        replaced: the version that was champion; None when it was this one already.
        commit: the commit that pins it.
        changed: whether a commit was made.
    """

    model: ModelRef
    replaced: ModelRef | None
    commit: str
    changed: bool


def run(params: Params, ctx: StepContext) -> Result:
    """Pin the version, then make it champion; may be repeated.

    Raises:
        DataError: there is no such version, or none before this one, or it never passed the gate.
        ConfigError, AccessError, TransientError: Git or the registry cannot be used.
    """
    from steps.core import clients
    from steps.errors import DataError
    from steps.registry.alias import PREVIOUS, by_alias, champion, model_uri, promote
    from steps.release.change import release
    from steps.release.step import Params as Release

    client, name = clients.registry(ctx.config, ctx.workdir), ctx.config.model_name
    target = ModelRef(name=name, version=params.to) if params.to else by_alias(client, name, PREVIOUS)
    if target is None:
        raise DataError(f"{name}: no earlier champion is known: name a version with --to")
    serving = champion(client, name)
    done = release(Release(model=target, artifact=model_uri(client, target), approved_by=params.approved_by), ctx)
    promote(client, name, target.version, serving.version if serving else None)
    return Result(model=target, replaced=serving if serving != target else None, commit=done.commit, changed=done.changed)
