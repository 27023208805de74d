"""PipelineConfig, put together from one file a block, and the only reader of configuration files.

Precedence: field default < file < `--set key=value`. Unknown keys are refused. A
default lives once, on its field. Values that stand in a file are either the whole
document or its `pipeline:` block, so one environment file serves charts and steps.
"""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from steps.contract.config.canary import CanaryConfig
from steps.contract.config.cost import CostConfig
from steps.contract.config.curate import CurateConfig
from steps.contract.config.feedback import FeedbackConfig, FeedbackRule
from steps.contract.config.gate import GateConfig
from steps.contract.config.govern import GovernConfig
from steps.contract.config.ingest import IngestConfig
from steps.contract.config.judge import GateJudgeConfig, JudgeConfig, RewardJudgeConfig
from steps.contract.config.label import LabelConfig, RewardWeights
from steps.contract.config.lake import LakeConfig
from steps.contract.config.notify import NotifyConfig
from steps.contract.config.registry import RegistryConfig
from steps.contract.config.release import ReleaseConfig
from steps.contract.config.train import DpoConfig, GrpoConfig, TrainConfig
from steps.contract.config.upkeep import UpkeepConfig
from steps.contract.config.world import WorldConfig
from steps.contract.errors import ConfigError
from steps.contract.files import canonical_json
from steps.contract.refs import Frozen

__all__ = [
    "CanaryConfig",
    "CostConfig",
    "CurateConfig",
    "DpoConfig",
    "FeedbackConfig",
    "FeedbackRule",
    "GateConfig",
    "GateJudgeConfig",
    "GovernConfig",
    "GrpoConfig",
    "IngestConfig",
    "JudgeConfig",
    "LabelConfig",
    "LakeConfig",
    "NotifyConfig",
    "PipelineConfig",
    "RegistryConfig",
    "ReleaseConfig",
    "RewardJudgeConfig",
    "RewardWeights",
    "TrainConfig",
    "UpkeepConfig",
    "WorldConfig",
    "load_config",
]


class PipelineConfig(Frozen):
    """Everything a run can be told."""

    model_name: str = Field(default="agent-model", description="registered name of the served model")
    lake: LakeConfig = LakeConfig()
    ingest: IngestConfig = IngestConfig()
    govern: GovernConfig = GovernConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    reward_judge: RewardJudgeConfig = RewardJudgeConfig()
    gate_judge: GateJudgeConfig = GateJudgeConfig()
    label: LabelConfig = LabelConfig()
    curate: CurateConfig = CurateConfig()
    train: TrainConfig = TrainConfig()
    gate: GateConfig = GateConfig()
    canary: CanaryConfig = CanaryConfig()
    registry: RegistryConfig = RegistryConfig()
    release: ReleaseConfig = ReleaseConfig()
    cost: CostConfig = CostConfig()
    upkeep: UpkeepConfig = UpkeepConfig()
    notify: NotifyConfig = NotifyConfig()
    world: WorldConfig = WorldConfig()

    @model_validator(mode="after")
    def _judges_differ(self) -> PipelineConfig:
        if judge_identity(self.reward_judge) == judge_identity(self.gate_judge):
            raise ValueError(
                "gate_judge must differ from reward_judge in model or prompt_version: "
                "a gate that asks the reward judge cannot see a hacked reward"
            )
        return self

    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 over every value that shapes a result.

        Where judges and registry are does not, nor do upkeep, notices and prices.
        """
        endpoints = {"base_url": True, "embedding_base_url": True}
        excluded: dict[str, Any] = {
            "reward_judge": endpoints,
            "gate_judge": endpoints,
            "upkeep": True,
            "notify": True,
            "cost": True,
            "registry": True,
        }
        values = self.model_dump(mode="json", exclude=excluded)
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:12]


def judge_identity(judge: JudgeConfig) -> tuple[str, str]:
    """Model and prompt version so that spelling makes no other judge: one case, no spaces, no organisation before the name."""
    model, prompts = (unicodedata.normalize("NFKC", text).strip().casefold() for text in (judge.model, judge.prompt_version))
    return model.rstrip("/").rpartition("/")[2], prompts


def _one_line(error: ValidationError, source: str) -> str:
    """The first validation problem as one line with its key."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(document)"
    if first["type"] == "extra_forbidden":
        return f"{source}: unknown key {key!r}: remove it or correct its spelling (`ctp config` prints every key)"
    return f"{source}: {key}: {first['msg'].removeprefix('Value error, ')}"


def _merge(base: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `a.b.c` in nested dictionaries."""
    *parents, leaf = dotted.split(".")
    for part in parents:
        base = base.setdefault(part, {})
        if not isinstance(base, dict):
            raise ConfigError(f"--set {dotted}: {part!r} is not a block")
    base[leaf] = value


def _deep_update(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, block by block."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _deep_update(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _read_document(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, or its `pipeline:` block.

    Raises:
        ConfigError: the file is missing, unreadable, or no mapping.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file: give --config an existing YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error
    document = {} if document is None else document
    if isinstance(document, dict) and "pipeline" in document:
        document = document["pipeline"] or {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: the document must be a mapping of keys, not {type(document).__name__}")
    return document


def load_config(path: Path | None = None, overrides: tuple[str, ...] = (), profile: Path | None = None) -> PipelineConfig:
    """Read a file (or nothing), apply `key=value` overrides, validate.

    Args:
        path: the user's file.
        overrides: `a.b=value` texts, the values in YAML.
        profile: values of a built-in environment, below the user's file.

    Raises:
        ConfigError: a file is missing or no YAML mapping, a key is unknown, a value out of bounds.
    """
    document = _read_document(profile) if profile else {}
    if path is not None:
        document = _deep_update(document, _read_document(path))
    for override in overrides:
        key, mark, text = override.partition("=")
        if not mark or not key:
            raise ConfigError(f"--set {override!r}: write key=value, as in --set train.method=grpo")
        try:
            _merge(document, key, yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {override!r}: the value is not YAML: {' '.join(str(error).split())}") from error
    try:
        return PipelineConfig.model_validate(document)
    except ValidationError as error:
        source = " and ".join([str(path)] * (path is not None) + ["--set"] * bool(overrides)) or "configuration"
        raise ConfigError(_one_line(error, source)) from error
