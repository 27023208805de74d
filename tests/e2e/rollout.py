"""A Rollout, its route and its pods as plain data: what is looked at, and the patches that `kubectl argo rollouts` sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steps.release.rollout_state import read_rollout

Document = dict[str, Any]
ABORT: Document = {"status": {"abort": True}}
RETRY: Document = {"status": {"abort": False}}


def weight_of(route: Document, service: str) -> int:
    """Percentage that an HTTPRoute sends to a Service.

    Raises:
        ValueError: its rules disagree, or none names the Service.
    """
    found = {
        int(reference.get("weight", 1))
        for rule in route["spec"].get("rules") or []
        for reference in rule.get("backendRefs") or []
        if reference["name"] == service
    }
    if len(found) != 1:
        raise ValueError(f"{route['metadata']['name']}: {service} has the weights {sorted(found)}, not one")
    return found.pop()


@dataclass(frozen=True)
class Look:
    """One moment of a release.

    Attributes:
        phase: as `ctp step reconcile` reads it.
        version: of the newest pods.
        weight: percent that the canary gets.
        aborted: by whom or what ever.
        stable: hash of the pods that serve everybody.
        newest: hash of the newest pods; equal to `stable` when the release is over.
        message: the controller's.
    """

    phase: str
    version: int | None
    weight: int
    aborted: bool
    stable: str
    newest: str
    message: str

    @property
    def over(self) -> bool:
        """Whether the newest pods serve everybody."""
        return self.phase == "Healthy" and self.stable == self.newest


def look(rollout: Document, route: Document) -> Look:
    """Read both objects."""
    seen, status = read_rollout(rollout), rollout.get("status") or {}
    return Look(
        phase=seen.phase,
        version=seen.version,
        weight=weight_of(route, rollout["spec"]["strategy"]["canary"]["canaryService"]),
        aborted=bool(status.get("abort")),
        stable=str(status.get("stableRS") or ""),
        newest=str(status.get("currentPodHash") or ""),
        message=str(status.get("message") or ""),
    )


def story(found: Look, runs: list[Document]) -> str:
    """One line a failed test prints: the look, and what every analysis that did not pass said."""
    lines = [str(found)]
    for run in runs:
        status = run.get("status") or {}
        for metric in status.get("metricResults") or []:
            if metric.get("phase") not in ("Successful", "Running"):
                last = (metric.get("measurements") or [{}])[-1]
                lines.append(
                    f"  {run['metadata']['name']} {metric['name']} {metric.get('phase')}: {last.get('value', last.get('message'))}"
                )
    return "\n".join(lines)
