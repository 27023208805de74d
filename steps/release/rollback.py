"""Step `rollback`: an operator puts an earlier version back, in Git and in the registry."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.release.incident import Timeline


class Params(Frozen):
    """Which version, and who decided it.

    Attributes:
        to: registered version; 0: while a release is on its way, the champion, else the one before the champion.
        approved_by: signs the commit off.
        reason: one line for the commit and for the version that goes.
        abort: abort the Rollout at once through the Kubernetes API, if the version that goes is its canary;
            otherwise traffic comes back when Argo CD has seen the commit.
        wait_s: wait so long until the Rollout is healthy with the version; 0: do not wait.
    """

    to: int = Field(default=0, ge=0)
    approved_by: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="rolled back by hand", min_length=1, max_length=500)
    abort: bool = False
    wait_s: float = Field(default=0.0, ge=0, le=3600)


class Result(Frozen):
    """What serves now, or will when Argo CD has rolled it out.

    Attributes:
        model: the version that is pinned and champion.
        replaced: the version that was champion; None when it was this one already.
        withdrawn: the version that was pinned; None when it was this one already.
        commit: the commit that pins it.
        changed: whether a commit was made.
        branch: that holds the commit; in pull-request mode it waits to be merged, and the champion stays until then.
        timeline: seconds from the decision to everything that happened since; None when nothing had to.
        warning: what of it took longer than `release.rollback_limit_s`; empty: nothing.
    """

    model: ModelRef
    replaced: ModelRef | None
    withdrawn: ModelRef | None
    commit: str
    changed: bool
    branch: str
    timeline: Timeline | None
    warning: str


def run(params: Params, ctx: StepContext) -> Result:
    """Pin the version, then make it champion; may be repeated.

    Raises:
        DataError: there is no such version, or none before this one, or it never passed the gate.
        ConfigError, AccessError, TransientError: Git, the registry or, where asked for, the Kubernetes API cannot be used.
    """
    from steps.release.wayback import roll_back

    return roll_back(params, ctx)
