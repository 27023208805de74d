"""What a Rollout says about itself, read out of its object.

The Rollout says which model version its newest pods run in the label or annotation `ctp.model-version` of
its pod template; the deployment sets it from the same pin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from steps.contract.errors import DataError

VERSION_KEY = "ctp.model-version"
Phase = Literal["Healthy", "Progressing", "Paused", "Degraded", "Unknown", "Absent"]


@dataclass(frozen=True)
class Seen:
    """A Rollout as it is.

    Attributes:
        phase: Absent where there is no Rollout; Degraded after an abort.
        version: model version of its newest pods; None: it does not say.
        reason: one line.
        aborted_at: when it was aborted; None: it is not.
        weight: percent of traffic on the canary; None: it routes none.
        pod_hash: of the newest pods.
        was_stable: whether the newest pods are the stable ones.
    """

    phase: Phase
    version: int | None
    reason: str
    aborted_at: datetime | None = None
    weight: int | None = None
    pod_hash: str = ""
    was_stable: bool = False


def read_rollout(document: Mapping[str, Any] | None) -> Seen:
    """Read a Rollout object; None is no Rollout.

    A status older than the specification counts as Unknown, and so does a specification that the controller
    refuses: neither says anything about the model.

    Raises:
        DataError: it is no Rollout, or its version is no number.
    """
    if document is None:
        return Seen("Absent", None, "there is no Rollout yet")
    if document.get("kind") != "Rollout" or not isinstance(document.get("spec"), Mapping):
        raise DataError("the status is no Rollout object: pass what `kubectl get rollout NAME -o json` prints")
    status = document.get("status") or {}
    message = " ".join(str(status.get("message") or "").split())[:300]
    phase, reason = _phase(document, status, message)
    weights = (status.get("canary") or {}).get("weights") or {}
    pod_hash = str(status.get("currentPodHash") or "")
    return Seen(
        phase=phase,
        version=_version(document["spec"]),
        reason=reason,
        aborted_at=moment(status.get("abortedAt")) if status.get("abort") else None,
        weight=(weights.get("canary") or {}).get("weight", 0) if weights else None,
        pod_hash=pod_hash,
        was_stable=bool(pod_hash) and pod_hash == status.get("stableRS"),
    )


def _version(spec: Mapping[str, Any]) -> int | None:
    template = ((spec.get("template") or {}).get("metadata")) or {}
    text = str((template.get("labels") or {}).get(VERSION_KEY) or (template.get("annotations") or {}).get(VERSION_KEY) or "")
    if text and not text.isdigit():
        raise DataError(f"the Rollout's {VERSION_KEY} {text[:40]!r} is no version number: the deployment must set it from the pin")
    return int(text) if text else None


def _phase(document: Mapping[str, Any], status: Mapping[str, Any], message: str) -> tuple[Phase, str]:
    generation = (document.get("metadata") or {}).get("generation")
    if generation is not None and str(status.get("observedGeneration", "")) != str(generation):
        return "Unknown", "the controller has not seen the newest specification yet"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "InvalidSpec" and condition.get("status") == "True":
            said = " ".join(str(condition.get("message") or "").split())[:300]
            return "Unknown", f"the Rollout's specification is invalid, whatever the model: {said}"
    phase = "Degraded" if status.get("abort") else status.get("phase")
    known: tuple[Phase, ...] = ("Healthy", "Progressing", "Paused", "Degraded")
    for name in known:
        if phase == name:
            return name, message or f"the Rollout is {name}"
    return "Unknown", message or f"the Rollout's phase is {str(phase)[:40]!r}"


def moment(text: Any) -> datetime | None:
    """A Kubernetes timestamp; None for anything else."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
