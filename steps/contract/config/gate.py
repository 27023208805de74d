"""The block `gate` of the configuration: when a candidate is good enough. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class GateConfig(Frozen):
    """Offline evaluation of candidate against champion. Ratios are 0-1."""

    samples_per_prompt: int = Field(default=4, ge=1, description="judged answers of each model to each question")
    latency_samples_per_prompt: int = Field(default=0, ge=0, description="timed answers, where more are needed than judged; 0: as many")
    temperature: float = Field(default=1.0, ge=0, description="of the sampled answers, as users get them")
    max_tokens: int = Field(default=32, ge=1, description="longest answer in tokens")
    min_faithfulness: float = Field(default=0.85, ge=0, le=1, description="lowest mean faithfulness of the candidate, 0-1")
    min_answer_relevancy: float = Field(default=0.80, ge=0, le=1, description="lowest mean answer relevancy of the candidate, 0-1")
    max_faithfulness_drop: float = Field(default=0.03, ge=0, le=1, description="tolerated drop of the mean faithfulness, 0-1")
    max_p99_latency_growth_ratio: float = Field(default=0.10, ge=0, description="tolerated ratio of the 99th percentile of the latency")
    max_refusal_growth: float = Field(default=0.05, ge=0, le=1, description="tolerated growth of the share of refusals, 0-1")
    max_length_growth_ratio: float = Field(default=0.5, ge=0, description="tolerated ratio of the mean answer length")
    max_fluency_drop: float = Field(default=0.10, ge=0, le=1, description="tolerated drop of the share of well-formed answers, 0-1")
    bootstrap_samples: int = Field(default=4000, ge=200, description="resamples of the intervals")
    latency_floor_ms: float = Field(default=0.0, ge=0, description="a candidate p99 below this passes in any case")
    min_prompts: int = Field(default=20, ge=2, description="a golden set with fewer questions decides nothing")
    max_unscored_ratio: float = Field(default=0.05, ge=0, lt=1, description="more answers of one model without a score decide nothing")
    concurrency: int = Field(default=8, ge=1, le=256, description="questions in flight; each goes to both models in turn")
    request_timeout_s: float = Field(default=120.0, gt=0, description="seconds that one answer may take")
    server_start_s: float = Field(default=1800.0, ge=0, description="a given server that does not answer by then ends the gate")
    drift_prompts: int = Field(default=100, ge=0, description="questions whose stored answers every judge scores again; 0: none")
    max_judge_drift: float = Field(default=0.03, ge=0, le=1, description="tolerated change of a judge's mean score of stored answers")
    max_judge_noise: float = Field(default=0.10, ge=0, le=1, description="tolerated mean change of its single scores")
    min_judge_separation: float = Field(
        default=0.20, ge=0, le=1, description="by how much it must score good stored answers above bad ones"
    )

    @property
    def samples_asked(self) -> int:
        """Answers of each model to each question."""
        return max(self.samples_per_prompt, self.latency_samples_per_prompt)
