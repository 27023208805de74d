"""The Rollout object that a cluster would show for the laptop's canary: what the step that reconciles reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steps.contract.refs import ModelRef
from steps.release.rollout_state import BREACH_SEEN_AT, VERSION_KEY, WEIGHT_ZERO_AT


def ended_rollout(canary: Mapping[str, Any], candidate: ModelRef, champion: ModelRef) -> dict[str, Any]:
    """A Rollout whose canary has ended.

    Args:
        canary: how it ended: `outcome`, `reason`, and after an abort `breach_at` and `weight_zero_at`, ISO 8601 UTC.
        candidate: the version that the newest pods run.
        champion: the version that served before.
    """
    promoted = canary["outcome"] == "promoted"
    status: dict[str, Any] = {
        "observedGeneration": "1",
        "phase": "Healthy" if promoted else "Degraded",
        "message": canary["reason"],
        "currentPodHash": _pod_hash(candidate),
        "stableRS": _pod_hash(candidate if promoted else champion),
        "canary": {"weights": {"canary": {"weight": 0}, "stable": {"weight": 100}}},
    }
    if promoted:
        return _rollout(candidate, status)
    moments = {BREACH_SEEN_AT: canary["breach_at"], WEIGHT_ZERO_AT: canary["weight_zero_at"]}
    return _rollout(candidate, status | {"abort": True, "abortedAt": canary["breach_at"]}, moments)


def restored_rollout(canary: Mapping[str, Any], candidate: ModelRef, champion: ModelRef) -> dict[str, Any]:
    """The Rollout after the reverted pin was applied: the version that serves is healthy."""
    serving = candidate if canary["outcome"] == "promoted" else champion
    weights = {"canary": {"weight": 0}, "stable": {"weight": 100}}
    status = {"phase": "Healthy", "currentPodHash": _pod_hash(serving), "stableRS": _pod_hash(serving), "canary": {"weights": weights}}
    return _rollout(serving, {"observedGeneration": "1", **status})


def _pod_hash(version: ModelRef) -> str:
    return f"v{version.version}"


def _rollout(version: ModelRef, status: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    template = {"metadata": {"labels": {VERSION_KEY: str(version.version)}}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": version.name, "generation": 1, "annotations": dict(annotations or {})},
        "spec": {"template": template},
        "status": dict(status),
    }
