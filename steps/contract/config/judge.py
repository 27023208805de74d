"""The block `judge` of the configuration: the servers that score answers. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class JudgeConfig(Frozen):
    """One OpenAI-compatible scorer."""

    base_url: str = Field(default="", description="…/v1; empty: the offline judge, started by the local loop")
    model: str = Field(description="name of the model that the server knows")
    embedding_base_url: str = Field(default="", description="empty: base_url")
    embedding_model: str = Field(default="lexical-hash-512", description="name of its embedding model")
    prompt_version: str = Field(default="v1", description="version of our own graded prompt")
    api_key_file: str = Field(default="", description="mounted file holding the key; empty: no key is sent")
    concurrency: int = Field(default=64, ge=1, le=1024, description="requests at the same time")
    timeout_s: float = Field(default=60.0, gt=0, description="seconds that one request may take")
    tries: int = Field(default=4, ge=1, le=10, description="attempts for one request, retries included")
    max_tokens: int = Field(default=4096, ge=64, description="longest answer of the judge in tokens")
    enable_thinking: bool = Field(default=False, description="let a reasoning model think before it answers")


class RewardJudgeConfig(JudgeConfig):
    """The judge that labels rewards."""

    model: str = Field(default="lexical-entailment-coverage", description="name of the model that the server knows")


class GateJudgeConfig(JudgeConfig):
    """The judge of gate and canary; never the reward's."""

    model: str = Field(default="lexical-entailment-alignment", description="name of the model that the server knows")
