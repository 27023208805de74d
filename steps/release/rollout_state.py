"""State of a Rollout, read out of its object: the one reader of what the end of a canary means.

The fields that are read: `spec.template.metadata` (label or annotation `ctp.model-version`, which the deployment sets
from the pin), `metadata.generation`, `status.observedGeneration`, `status.phase`, `.message`, `.abort`, `.abortedAt`,
`.conditions` (InvalidSpec), `.canary.weights.canary.weight`, `.currentPodHash` and `.stableRS`. Whoever writes the
document without a cluster may add what no controller stamps: `metadata.annotations` `ctp.breach-seen-at` and
`ctp.weight-zero-at`, RFC 3339 with an offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from steps.contract.errors import DataError

VERSION_KEY = "ctp.model-version"
BREACH_SEEN_AT, WEIGHT_ZERO_AT = "ctp.breach-seen-at", "ctp.weight-zero-at"
RolloutPhase = Literal["Healthy", "Progressing", "Paused", "Degraded", "Unknown", "Absent"]


@dataclass(frozen=True)
class RolloutState:
    """A Rollout at one moment.

    Attributes:
        phase: Absent where there is no Rollout; Degraded after an abort.
        version: model version of its newest pods; None: it does not say.
        reason: one line.
        aborted_at: when it was aborted; None: it is not.
        weight: percent of traffic on the canary; None: it routes none.
        pod_hash: of the newest pods.
        is_stable: whether the newest pods are the stable ones.
        breach_seen_at: when analysis first saw what ended the canary; None: the document does not say.
        weight_zero_at: when the canary had no traffic any more; None: the document does not say.
    """

    phase: RolloutPhase
    version: int | None
    reason: str
    aborted_at: datetime | None = None
    weight: int | None = None
    pod_hash: str = ""
    is_stable: bool = False
    breach_seen_at: datetime | None = None
    weight_zero_at: datetime | None = None

    def serves(self, version: int) -> bool:
        """Whether all traffic is on this version and its pods are well."""
        return self.phase == "Healthy" and self.version == version

    def failed(self) -> bool:
        """Whether the newest version was aborted or lost its pods."""
        return self.phase == "Degraded"

    def is_moving(self) -> bool:
        """Whether it is on its way to its newest version."""
        return self.phase in ("Progressing", "Paused")


def read_rollout(document: Mapping[str, Any] | None) -> RolloutState:
    """Read a Rollout object; None is no Rollout.

    A status older than the specification counts as Unknown, and so does a specification that the controller
    refuses: neither says anything about the model.

    Raises:
        DataError: it is no Rollout, or its version is no number.
    """
    if document is None:
        return RolloutState("Absent", None, "there is no Rollout yet")
    if document.get("kind") != "Rollout" or not isinstance(document.get("spec"), Mapping):
        raise DataError("the status is no Rollout object: pass what `kubectl get rollout NAME -o json` prints")
    status = document.get("status") or {}
    metadata = document.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    phase, reason = _phase(metadata, status)
    weights = (status.get("canary") or {}).get("weights") or {}
    pod_hash = str(status.get("currentPodHash") or "")
    return RolloutState(
        phase=phase,
        version=_version(document["spec"]),
        reason=reason,
        aborted_at=parse_timestamp(status.get("abortedAt")) if status.get("abort") else None,
        weight=(weights.get("canary") or {}).get("weight", 0) if weights else None,
        pod_hash=pod_hash,
        is_stable=bool(pod_hash) and pod_hash == status.get("stableRS"),
        breach_seen_at=parse_timestamp(annotations.get(BREACH_SEEN_AT)),
        weight_zero_at=parse_timestamp(annotations.get(WEIGHT_ZERO_AT)),
    )


def parse_timestamp(text: Any) -> datetime | None:
    """A Kubernetes timestamp; None for anything else."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _version(spec: Mapping[str, Any]) -> int | None:
    template = ((spec.get("template") or {}).get("metadata")) or {}
    text = str((template.get("labels") or {}).get(VERSION_KEY) or (template.get("annotations") or {}).get(VERSION_KEY) or "")
    if text and not text.isdigit():
        raise DataError(f"the Rollout's {VERSION_KEY} {text[:40]!r} is no version number: the deployment must set it from the pin")
    return int(text) if text else None


def _phase(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[RolloutPhase, str]:
    generation = metadata.get("generation")
    if generation is not None and str(status.get("observedGeneration", "")) != str(generation):
        return "Unknown", "the controller has not seen the newest specification yet"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "InvalidSpec" and condition.get("status") == "True":
            return "Unknown", f"the Rollout's specification is invalid, whatever the model: {_one_line(condition.get('message'))}"
    message = _one_line(status.get("message"))
    phase = "Degraded" if status.get("abort") else status.get("phase")
    known: tuple[RolloutPhase, ...] = ("Healthy", "Progressing", "Paused", "Degraded")
    for name in known:
        if phase == name:
            return name, message or f"the Rollout is {name}"
    return "Unknown", message or f"the Rollout's phase is {str(phase)[:40]!r}"


def _one_line(text: Any) -> str:
    return " ".join(str(text or "").split())[:300]
