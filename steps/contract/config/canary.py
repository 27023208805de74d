"""The block `canary` of the configuration: how live traffic is compared. A default lives once, on its field."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steps.contract.refs import Frozen

CanaryMetric = Literal["error_ratio", "p99_latency", "faithfulness", "answer_relevancy", "user_feedback", "saturation"]


class CanaryConfig(Frozen):
    """Steps and thresholds of the canary. Weights are percent of live traffic.

    The embedded canary and the AnalysisTemplates of a cluster are made of the same
    numbers (`steps.canary.rules`).
    """

    weights: tuple[int, ...] = Field(default=(5, 25, 100), description="share of the traffic at each step in percent, rising")
    holds_s: tuple[float, ...] = Field(
        default=(86400, 604800),
        description="a cluster stays at each weight below 100 for at least this long; the embedded canary goes on with its verdict",
    )
    questions: tuple[CanaryMetric, ...] = Field(
        default=("error_ratio", "p99_latency", "faithfulness"), min_length=1, description="what is asked; each must be answered"
    )
    window_s: float = Field(default=300, gt=0, description="a cluster compares errors and saturation over this window")
    long_window_s: float = Field(default=21600, gt=0, description="and what needs many samples (p99, quality, feedback) over this one")
    min_samples: int = Field(default=30, ge=2, description="scored answers of each version before a verdict")
    min_requests: int = Field(default=40, ge=1, description="answered requests of each version before a verdict")
    min_p99_requests: int = Field(default=40, ge=1, description="answered requests of each version before a verdict on the p99")
    min_feedback: int = Field(default=30, ge=2, description="users' verdicts on each version before a verdict")
    interval_s: float = Field(default=2.0, gt=0, description="seconds between two analyses")
    step_timeout_s: float = Field(default=60.0, gt=0, description="no verdict by then aborts; on a cluster it pauses and asks a person")
    max_idle_s: float = Field(default=43200, gt=0, description="a cluster's canary without a verdict for this long in all is paused")
    max_outage_s: float = Field(default=600, ge=10, description="a Prometheus that fails for longer aborts the canary")
    failures_tolerated: int = Field(default=2, ge=0, description="failed looks while a cluster holds a weight; one more aborts")
    max_error_ratio_growth: float = Field(default=0.01, ge=0, le=1, description="of the share of failed requests, with 80 % confidence")
    max_p99_latency_ratio: float = Field(default=1.10, ge=1, description="tolerated ratio of the 99th percentiles of the latency")
    p99_latency_backstop_ratio: float = Field(default=5.0, ge=1, description="a p99 this many times stable's needs no long window")
    p99_latency_floor_ms: float = Field(default=0.0, ge=0, description="a canary p99 below this passes in any case")
    max_faithfulness_drop: float = Field(default=0.03, ge=0, le=1, description="tolerated drop of the mean faithfulness, 0-1")
    faithfulness_backstop: float = Field(default=0.05, gt=0, le=1, description="a drop this large aborts at the first look")
    max_answer_relevancy_drop: float = Field(default=0.05, ge=0, le=1, description="tolerated drop of the mean answer relevancy, 0-1")
    max_feedback_drop: float = Field(default=0.05, ge=0, le=1, description="of the share of thumbs up")
    max_waiting_growth: float = Field(default=4.0, ge=0, description="requests waiting in the busiest pod, more than in stable's")

    @model_validator(mode="after")
    def _rising_to_all(self) -> CanaryConfig:
        if not self.weights or list(self.weights) != sorted(set(self.weights)) or self.weights[-1] != 100 or self.weights[0] < 1:
            raise ValueError("canary.weights must rise from at least 1 to 100, as in [5, 25, 100]")
        if any(hold < 0 for hold in self.holds_s):
            raise ValueError("canary.holds_s must not be negative")
        if len(set(self.questions)) != len(self.questions):
            raise ValueError("canary.questions names one question twice")
        if self.long_window_s < self.window_s:
            raise ValueError("canary.long_window_s must not be shorter than canary.window_s")
        return self
