"""Step `reconcile`: make Git pin, agent manifest and champion alias agree with what the Rollout ended as.

Level-triggered: it looks at how things are, not at what happened, so it may run at any time,
twice, at once with another, or after hours of silence.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from steps.contract.refs import FromJson, Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.release.incident import Timeline
from steps.release.rollout_status import Phase

Action = Literal["none", "promoted", "reverted", "proposed", "repaired", "retried"]


class Params(Frozen):
    """Where the Rollout is.

    Attributes:
        status: the Rollout as JSON, as `kubectl get rollout -o json` prints it; empty: ask the Kubernetes API.
        namespace: of the Rollout; empty: `release.rollout_namespace`.
        rollout: its name; empty: `release.rollout`.
    """

    status: Annotated[dict[str, Any], FromJson] = {}
    namespace: str = ""
    rollout: str = ""


class Result(Frozen):
    """What was found and done.

    Attributes:
        rollout_phase: Healthy, Progressing, Paused, Degraded, Unknown, or Absent where there is no Rollout.
        observed: model version that the Rollout's newest pods run; None when it does not say.
        action: `promoted`: the champion moved. `reverted`: the pin went back. `proposed`: a branch that puts it back
            waits to be merged. `repaired`: the manifest follows the pin again. `retried`: an aborted version is a
            candidate again, since somebody had it tried again. Else `none`.
        reason: one line.
        champion: after this run.
        pinned: after this run; None before the first release.
        commit: of a revert, proposal or repair; empty otherwise.
        branch: that holds the commit.
        timeline: of the abort or rollback that went on or ended in this run.
        warning: what of it took longer than `release.rollback_limit_s`; empty: nothing.
    """

    rollout_phase: Phase
    observed: int | None
    action: Action
    reason: str
    champion: ModelRef | None
    pinned: ModelRef | None
    commit: str
    branch: str = ""
    timeline: Timeline | None = None
    warning: str = ""


def run(params: Params, ctx: StepContext) -> Result:
    """Promote what is healthy and pinned; revert and abort what was pinned and degraded; leave the rest.

    Raises:
        DataError: the status is no Rollout's, or pin and registry contradict each other.
        ConfigError, AccessError, TransientError: Git, the registry or the Kubernetes API cannot be used.
    """
    from steps.release.agreement import agree

    return agree(params, ctx)
