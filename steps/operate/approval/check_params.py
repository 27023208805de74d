"""Step `check-params`: the first second of a workflow, where wrong parameters end it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from steps.contract.errors import ConfigError, UsageError
from steps.contract.refs import Frozen, TextTuple
from steps.contract.spec import StepContext
from steps.operate.cost.estimates import step_seconds

_MODEL_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Params(Frozen):
    """What a person may give with a workflow."""

    window_days: int = Field(default=14, ge=0, le=3650, description="how many days of traces count, today included; 0: all")
    method: Literal["dpo", "grpo"] = Field(default="dpo", description="dpo or grpo")
    trainer: Literal["trl", "nemo-rl"] = Field(default="trl", description="trl (one pod) or nemo-rl (many nodes)")
    base_model: str = Field(default="", description="Hugging Face id, folder, file:// or s3:// URI; empty: the champion")
    max_cost_usd: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="refuse a training whose estimate is above this; 0: no limit"
    )
    sources: TextTuple = Field(default=(), description="files, folders or URIs beside the configured ones")
    today: date | None = Field(default=None, description="last day of the window, ISO 8601; empty: the day it is now in UTC")


class Result(Frozen):
    """Checked values."""

    since: str = Field(description="first day of the window, ISO 8601; empty: no window")
    until: str = Field(description="last day of the window, ISO 8601; empty: no window")
    method: Literal["dpo", "grpo"] = Field(description="as given")
    trainer: Literal["trl", "nemo-rl"] = Field(description="as given")
    config_hash: str = Field(description="digest of every configuration value that shapes a result")


def run(params: Params, ctx: StepContext) -> Result:
    """Check values that a schema cannot, and fix the window's days so that every later step reads the same.

    Raises:
        UsageError: `base-model` is neither an existing folder, a URI nor a model id, or the environment does not offer the trainer.
        ConfigError: the window is longer than the lake keeps traces, or nobody has said how long a step takes on the trainer's GPUs.
    """
    if params.trainer == "nemo-rl" and not ctx.config.train.nemo.enabled:
        raise UsageError("--trainer nemo-rl: this environment has no nodes for it (train.nemo.enabled): use trl")
    step_seconds(ctx.config, params.method, params.trainer)
    base = params.base_model
    if base.startswith(("/", ".", "~")) and not Path(base).expanduser().is_dir():
        raise UsageError(f"--base-model {base}: no such folder")
    if base and not base.startswith(("/", ".", "~", "file://", "s3://")) and not _MODEL_ID.fullmatch(base):
        raise UsageError(f"--base-model {base[:100]!r}: write a folder, an s3:// URI or a Hugging Face id such as org/model")
    kept = ctx.config.upkeep.retention_days
    if params.window_days > kept:
        raise ConfigError(f"--window-days {params.window_days}: the lake keeps {kept} days (upkeep.retention_days)")
    until = params.today or datetime.now(UTC).date()
    since = until - timedelta(days=params.window_days - 1)
    return Result(
        since=since.isoformat() if params.window_days else "",
        until=until.isoformat() if params.window_days else "",
        method=params.method,
        trainer=params.trainer,
        config_hash=ctx.config.digest(),
    )
