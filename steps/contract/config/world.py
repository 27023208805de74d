"""The block `world` of the configuration: the embedded world of the laptop. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class WorldConfig(Frozen):
    """The embedded world of `ctp run`: sample domain, users and the first model."""

    base_model: str = Field(default="", description="Hugging Face id or path; empty: a tiny Qwen3 warmed up here")
    requests_per_prompt: int = Field(default=6, ge=2, description="how often users ask each question before training")
    concurrency: int = Field(default=32, ge=1, description="users waiting for an answer at the same time")
