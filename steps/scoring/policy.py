"""Version of the reward policy that a label belongs to: everything that can change a score, and nothing that cannot."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version

from steps.contract.config import JudgeConfig, LabelConfig
from steps.contract.errors import ConfigError
from steps.contract.files import canonical_json
from steps.scoring import rubric
from steps.scoring.metrics import MAX_ANSWER_CHARS, MAX_ANSWER_SENTENCES, MAX_CONTEXT_CHARS
from steps.scoring.reward import weighted


def ragas_version() -> str:
    """The installed Ragas, whose prompts and arithmetic are part of every label.

    Raises:
        ConfigError: Ragas is not installed.
    """
    try:
        return version("ragas")
    except PackageNotFoundError:
        raise ConfigError("ragas is not installed: install the extra `label` of continuous-training-pipeline") from None


def judge_identity(judge: JudgeConfig) -> dict[str, str | bool]:
    """What makes it this judge: the values that change its scores. Where it listens does not."""
    return {name: getattr(judge, name) for name in ("model", "prompt_version", "embedding_model", "enable_thinking")}


def policy_version(judge: JudgeConfig, label: LabelConfig) -> str:
    """`rp-` and 12 hex digits of the SHA-256 over Ragas, prompts, models, sampling, caps and weights.

    The judge's address, key and concurrency are not part of it: the same model elsewhere gives the same labels.
    """
    facts = {
        "ragas": ragas_version(),
        "rubric": rubric.instructions(judge.prompt_version),
        "judge": [judge.model, judge.embedding_model, judge.max_tokens, judge.enable_thinking],
        "caps": [MAX_ANSWER_CHARS, MAX_ANSWER_SENTENCES, MAX_CONTEXT_CHARS],
        "weights": {name: round(share, 9) for name, share in weighted(label.weights).items()},
    }
    return "rp-" + hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:12]
