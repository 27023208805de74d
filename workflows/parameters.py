"""Parameters of the workflows: described, with a default, and enumerated where that is possible.

A value outside its enumeration is refused at submission; the others are refused by the
first task, `check-params`.
"""

from __future__ import annotations

from hera.workflows import Parameter

from workflows.environment import Environment

METHODS = ["dpo", "grpo"]


def window_days(env: Environment) -> Parameter:
    """How far back."""
    value = str(env.workflows.given.window_days)
    return Parameter(
        name="window-days", value=value, description="how many days of traces count, today included; 0: all that the lake keeps"
    )


def method(env: Environment) -> Parameter:
    """Training method."""
    return Parameter(
        name="method", value=env.workflows.given.method, enum=METHODS, description="preference pairs (dpo) or judged samples (grpo)"
    )


def trainer(env: Environment) -> Parameter:
    """Trainer: NeMo-RL only where there are nodes for it."""
    offered = ["trl", "nemo-rl"] if env.offers_nemo else ["trl"]
    text = "trl: one pod" + (", nemo-rl: many nodes" if env.offers_nemo else "") + "; goes on from its last checkpoint"
    return Parameter(name="trainer", value=env.workflows.given.trainer, enum=offered, description=text)


def base_model(env: Environment) -> Parameter:
    """What training starts from."""
    text = "folder on the volume or Hugging Face id to train from; empty: the champion"
    return Parameter(name="base-model", value=env.workflows.given.base_model, description=text)


def max_cost_usd(env: Environment) -> Parameter:
    """Limit of the estimate."""
    value = f"{env.workflows.given.max_cost_usd:g}"
    return Parameter(name="max-cost-usd", value=value, description="a training whose estimate is above this ends the run; 0: no limit")


def golden(env: Environment) -> Parameter:
    """The golden set."""
    text = "golden set: a path on the volume, or a reference with its digest"
    return Parameter(name="golden", value=env.workflows.given.golden, description=text)


def sources(env: Environment) -> Parameter:
    """Trace sources."""
    text = "trace files, folders or URIs beside the configured ones, separated by commas"
    return Parameter(name="sources", value=env.workflows.given.sources, description=text)


def of_training(env: Environment) -> list[Parameter]:
    """What every workflow that trains may be told."""
    return [window_days(env), method(env), trainer(env), base_model(env), max_cost_usd(env), golden(env), sources(env)]


def required(name: str, description: str) -> Parameter:
    """A parameter without a default: submission fails without it."""
    return Parameter(name=name, description=description)


def optional(name: str, description: str, value: str = "", enum: list[str] | None = None) -> Parameter:
    """Any other parameter."""
    return Parameter(name=name, value=value, description=description, enum=enum)
