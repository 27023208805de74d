"""Step `reconcile`: make the Git pin and the champion alias agree with what the Rollout ended as.

Level-triggered: it looks at how things are, not at what happened, so it may run at any time,
twice, or after hours of silence.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from steps.core.refs import FromJson, Frozen, ModelRef
from steps.core.spec import StepContext


class Params(Frozen):
    """Where the Rollout is.

    Attributes:
        status: the Rollout as JSON, as `kubectl get rollout -o json` prints it; empty: ask the Kubernetes API.
        namespace: of the Rollout.
        rollout: its name.
    """

    status: Annotated[dict[str, Any], FromJson] = {}
    namespace: str = "model-serving"
    rollout: str = "agent-model"


class Result(Frozen):
    """What was found and done.

    Attributes:
        rollout_phase: Healthy, Progressing, Paused, Degraded or Unknown.
        observed: model version that the Rollout's newest pods run; None when it does not say.
        action: `none`, `promoted` or `reverted`.
        reason: one line.
        champion: after this run.
        pinned: after this run; None before the first release.
        commit: of a revert; empty otherwise.
    """

    rollout_phase: Literal["Healthy", "Progressing", "Paused", "Degraded", "Unknown"]
    observed: int | None
    action: Literal["none", "promoted", "reverted"]
    reason: str
    champion: ModelRef | None
    pinned: ModelRef | None
    commit: str


def run(params: Params, ctx: StepContext) -> Result:
    """Promote what is healthy and pinned; revert and abort what was pinned and degraded; leave the rest.

    Raises:
        DataError: the status is no Rollout's, or pin and registry contradict each other.
        ConfigError, AccessError, TransientError: Git, the registry or the Kubernetes API cannot be used.
    """
    from steps.release.agreement import agree

    return agree(params, ctx)
