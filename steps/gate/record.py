"""The verdict file: what was decided, on what, by which limits. Named by its inputs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from steps.contract.config import PipelineConfig
from steps.contract.files import canonical_json, read_json, sha256_file, sha256_text, write_json
from steps.contract.refs import ArtifactRef
from steps.gate.metrics import Measurements, to_record
from steps.gate.scoring import Scored
from steps.gate.suite import Answer
from steps.gate.verdict import Verdict, to_json
from steps.scoring.metrics import GATE_METRICS
from steps.scoring.policy import judge_identity
from steps.store.golden import GoldenSet

# Part of every verdict's name: raise it when the same answers can give another verdict.
GATE_VERSION = 2
_EXAMPLES = 6


def verdict_key(champion: ArtifactRef, candidate: ArtifactRef, golden: GoldenSet, config: PipelineConfig) -> str:
    """64 hex digits that name a verdict: both models, the golden set, every limit and the judge."""
    inputs = {
        "version": GATE_VERSION,
        "champion": champion.sha256,
        "candidate": candidate.sha256,
        "golden": golden.sha256,
        "fluency_pattern": golden.fluency_pattern,
        "gate": config.gate.model_dump(mode="json"),
        "judge": list(judge_identity(config.gate_judge).values()),
    }
    return sha256_text(canonical_json(inputs))


def examples(golden: GoldenSet, answers: list[Answer], scored: Scored) -> list[dict[str, Any]]:
    """Up to six questions where the judge saw the largest difference, better and worse in turn.

    The same seeds asked both models, so the first sample of each is shown.
    """
    keys = ((answer.item, answer.sample, answer.arm) for answer in answers)
    score = dict(zip(keys, scored.values[GATE_METRICS[0]].tolist(), strict=True))
    text = {(answer.item, answer.sample, answer.arm): answer.text for answer in answers if not answer.error}
    both = [n for n in range(len(golden.items)) if (n, 0, "champion") in text and (n, 0, "candidate") in text]

    def gain(item: int) -> float:
        value = score[item, 0, "candidate"] - score[item, 0, "champion"]
        return value if math.isfinite(value) else 0.0

    rising = sorted(both, key=lambda item: (gain(item), item))
    order = [item for pair in zip(reversed(rising), rising, strict=True) for item in pair]
    return [
        {
            "question": golden.items[item].question,
            "contexts": list(golden.items[item].contexts),
            "champion": text[item, 0, "champion"],
            "candidate": text[item, 0, "candidate"],
        }
        for item in list(dict.fromkeys(order))[:_EXAMPLES]
    ]


def write_verdict(path: Path, verdict: Verdict, measured: Measurements, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the verdict file and return its content. Metrics that could not be computed are absent."""
    document = {
        "phase": verdict.phase,
        "reason": verdict.reason,
        "metrics": {name: to_record(name, comparison) for name, comparison in measured.comparisons.items() if comparison is not None},
        "findings": to_json(verdict),
        "unscored_ratio": dict(measured.unscored_ratio),
        **facts,
    }
    write_json(path, document)
    return document


def read_settled(path: Path) -> dict[str, Any] | None:
    """An earlier verdict on the same inputs; None when there is none, or when it settled nothing.

    An inconclusive one is measured again: its cause (a judge that failed, a busy machine) may be gone.
    """
    if not path.is_file():
        return None
    document = read_json(path)
    return document if document["phase"] in ("Successful", "Failed") else None


def artifact(path: Path) -> ArtifactRef:
    """The reference of a written verdict."""
    return ArtifactRef(uri=path.absolute().as_uri(), sha256=sha256_file(path))
