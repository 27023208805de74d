"""`charts/environments/<env>/derived.yaml`: what charts need of the configuration, defaults and PromQL included.

Generated from the environment's `pipeline:` block, so that no chart repeats a default or
a threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steps.canary.promql import ARGUMENTS, background_metric, duration, step_metric
from steps.canary.rules import rules_of
from steps.contract.errors import ConfigError
from workflows.generate.files import yaml_text

if TYPE_CHECKING:
    from steps.contract.config import PipelineConfig
    from steps.contract.config.canary import CanaryConfig


def derived_path(environment: str) -> str:
    """Path of the file inside the repository."""
    return f"charts/environments/{environment}/derived.yaml"


def canary_steps(config: CanaryConfig) -> list[dict[str, Any]]:
    """Weights in order, each with how long it is held; empty: not at all.

    Raises:
        ConfigError: the number of holds is not that of the weights below 100.
    """
    below = [weight for weight in config.weights if weight < 100]
    if len(below) != len(config.holds_s):
        raise ConfigError(
            f"canary.holds_s has {len(config.holds_s)} entries for {len(below)} weights below 100: give each one, as in [86400, 604800]"
        )
    holds = [duration(hold) if hold else "" for hold in config.holds_s]
    return [{"weight": weight, "hold": hold} for weight, hold in zip(config.weights, [*holds, ""], strict=True)]


def canary_values(config: CanaryConfig) -> dict[str, Any]:
    """Steps and analyses of the Rollout.

    Raises:
        ConfigError: the number of holds is not that of the weights below 100.
    """
    analyses = [
        {
            "name": question.replace("_", "-"),
            "background": [background_metric(rule, config) for rule in rules_of(question)],
            "step": [step_metric(rule, config) for rule in rules_of(question)],
        }
        for question in config.questions
    ]
    return {"arguments": list(ARGUMENTS), "steps": canary_steps(config), "analyses": analyses}


def derived_text(config: PipelineConfig) -> str:
    """The whole file; the same bytes for the same configuration.

    Raises:
        ConfigError: the canary's steps do not fit together.
    """
    document = {"derived": {"canary": canary_values(config.canary), "pipeline": config.model_dump(mode="json")}}
    return yaml_text(document, "values.yaml and the defaults in steps/")
