"""The block `label` of the configuration: the reward policy and how labelling runs. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field, model_validator

from steps.contract.refs import Frozen


class RewardWeights(Frozen):
    """How label components become one reward; they are normalised to sum to 1."""

    faithfulness: float = Field(default=0.5, ge=0, description="weight of faithfulness in the reward, 0-1; 0: not asked")
    judge: float = Field(default=0.45, ge=0, description="weight of the graded judge in the reward, 0-1; 0: not asked")
    answer_relevancy: float = Field(default=0.05, ge=0, description="weight of answer relevancy in the reward, 0-1; 0: not asked")
    context_precision: float = Field(default=0.0, ge=0, description="weight of context precision in the reward, 0-1; 0: not asked")

    @model_validator(mode="after")
    def _some_weight(self) -> RewardWeights:
        if self.faithfulness + self.judge + self.answer_relevancy + self.context_precision <= 0:
            raise ValueError("at least one reward weight must be above 0")
        return self


class LabelConfig(Frozen):
    """Reward labelling."""

    weights: RewardWeights = RewardWeights()
    batch_rows: int = Field(default=500, ge=1, description="labels are committed to the lake this many at a time")
    max_failed_ratio: float = Field(default=0.2, ge=0, le=1, description="stop when more of the last 200 traces failed")
    shard_traces: int = Field(default=5000, ge=1, description="a cluster labels about this many traces in one pod")
    max_shards: int = Field(default=16, ge=1, le=256, description="most pods that label at once")
