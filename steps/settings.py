"""The blocks of PipelineConfig: schema, defaults and bounds. A default lives once, on its field.

`steps.config` puts them together and reads files; modules take a block from there.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steps.core.refs import Frozen


class LakeConfig(Frozen):
    """The Iceberg lake. `sql` needs no service; `glue` uses the AWS credential chain."""

    catalog: Literal["sql", "glue"] = "sql"
    uri: str = Field(default="", description="SQLAlchemy URL of the SQL catalog; empty: SQLite in the work folder")
    warehouse: str = Field(default="", description="root of the table files, file:// or s3://; empty: the work folder")
    namespace: str = "ctp"


class IngestConfig(Frozen):
    """Where trace files are found and what becomes of them."""

    sources: tuple[str, ...] = Field(default=(), description="trace files or folders read by every run")
    unit_bytes: int = Field(default=64 << 20, gt=0, description="files are grouped into units of about this size")
    keep_raw: bool = Field(default=False, description="keep the loop's own raw spans after they are committed to the lake")


class GovernConfig(Frozen):
    """The four gates. What is not known is refused."""

    allowed_regions: tuple[str, ...] = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-northeast-2")
    region_default: str = Field(default="", description="region of a source whose spans carry none; empty: refuse them")
    max_confidentiality: Literal["public", "internal", "confidential"] = "internal"
    confidentiality_default: Literal["", "public", "internal", "confidential"] = Field(
        default="", description="class of a source whose spans carry none; empty: refuse them"
    )
    pii_action: Literal["mask", "drop"] = Field(
        default="drop",
        description="drop: refuse the trace, since a name beside an e-mail address may go unseen; mask: keep it with placeholders",
    )
    user_key_file: str = Field(default="", description="file with the key that hashes user ids; empty: made in the work folder")


class JudgeConfig(Frozen):
    """One OpenAI-compatible scorer."""

    base_url: str = Field(default="", description="…/v1; empty: the offline judge, started by the local loop")
    model: str
    embedding_base_url: str = Field(default="", description="empty: base_url")
    embedding_model: str = "lexical-hash-512"
    prompt_version: str = "v1"
    api_key_file: str = Field(default="", description="mounted file holding the key; empty: no key is sent")
    concurrency: int = Field(default=64, ge=1, le=1024)
    timeout_s: float = Field(default=60.0, gt=0)
    tries: int = Field(default=4, ge=1, le=10)
    max_tokens: int = Field(default=4096, ge=64)
    enable_thinking: bool = False


class RewardJudgeConfig(JudgeConfig):
    """The judge that labels rewards."""

    model: str = "lexical-entailment-coverage"


class GateJudgeConfig(JudgeConfig):
    """The judge of gate and canary; never the reward's."""

    model: str = "lexical-entailment-alignment"


class RewardWeights(Frozen):
    """How label components become one reward; they are normalised to sum to 1."""

    faithfulness: float = Field(default=0.5, ge=0)
    judge: float = Field(default=0.45, ge=0)
    answer_relevancy: float = Field(default=0.05, ge=0)
    context_precision: float = Field(default=0.0, ge=0)

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


class CurateConfig(Frozen):
    """What makes a preference pair."""

    min_chosen_score: float = Field(default=0.7, ge=0, le=1)
    min_margin: float = Field(default=0.3, ge=0, le=1)
    max_pairs_per_prompt: int = Field(default=1, ge=1)
    min_pairs: int = Field(default=32, ge=1, description="fewer pairs train nothing: the run ends as rejected")


class DpoConfig(Frozen):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) with an SFT term."""

    learning_rate: float = Field(default=5e-4, gt=0)
    beta: float = Field(default=1.0, gt=0)
    sft_weight: float = Field(default=6.0, ge=0)
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=16, ge=1)


class GrpoConfig(Frozen):
    """Group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300)."""

    learning_rate: float = Field(default=3e-4, gt=0)
    beta: float = Field(default=0.0, ge=0)
    num_generations: int = Field(default=8, ge=2)
    prompts_per_step: int = Field(default=8, ge=1)
    max_steps: int = Field(default=45, ge=1)
    max_answer_tokens: int = Field(default=24, ge=1, description="sampled answers are cut here while training")


class TrainConfig(Frozen):
    """Training of the candidate."""

    method: Literal["dpo", "grpo"] = "dpo"
    seed: int = 0
    dpo: DpoConfig = DpoConfig()
    grpo: GrpoConfig = GrpoConfig()
    max_length_tokens: int = Field(default=384, ge=16)
    save_steps: int = Field(default=10, ge=1, description="optimizer steps between checkpoints")


class GateConfig(Frozen):
    """Offline evaluation of candidate against champion. Ratios are 0-1."""

    samples_per_prompt: int = Field(default=4, ge=1)
    temperature: float = Field(default=1.0, ge=0)
    max_tokens: int = Field(default=32, ge=1)
    min_faithfulness: float = Field(default=0.85, ge=0, le=1)
    min_answer_relevancy: float = Field(default=0.80, ge=0, le=1)
    max_faithfulness_drop: float = Field(default=0.03, ge=0, le=1)
    max_p99_latency_growth_ratio: float = Field(default=0.10, ge=0)
    max_refusal_growth: float = Field(default=0.05, ge=0, le=1)
    max_length_growth_ratio: float = Field(default=0.5, ge=0)
    max_fluency_drop: float = Field(default=0.10, ge=0, le=1)
    bootstrap_samples: int = Field(default=4000, ge=200)
    latency_floor_ms: float = Field(default=0.0, ge=0, description="a candidate p99 below this passes in any case")
    min_prompts: int = Field(default=20, ge=2, description="a golden set with fewer questions decides nothing")
    max_unscored_ratio: float = Field(default=0.05, ge=0, lt=1, description="more answers of one model without a score decide nothing")
    concurrency: int = Field(default=8, ge=1, le=256, description="questions in flight; each goes to both models in turn")
    request_timeout_s: float = Field(default=120.0, gt=0)


class CanaryConfig(Frozen):
    """Steps and thresholds of the canary. Weights are percent of live traffic."""

    weights: tuple[int, ...] = (5, 25, 100)
    min_samples: int = Field(default=30, ge=1, description="scored answers of each version before a verdict")
    min_requests: int = Field(default=40, ge=1, description="answered requests of the canary before a verdict")
    interval_s: float = Field(default=2.0, gt=0, description="seconds between two analyses")
    step_timeout_s: float = Field(default=60.0, gt=0, description="no verdict by then aborts")
    max_error_ratio_growth: float = Field(default=0.01, ge=0, le=1)
    max_p99_latency_ratio: float = Field(default=1.10, ge=1)
    p99_latency_floor_ms: float = Field(default=0.0, ge=0, description="a canary p99 below this passes in any case")
    max_faithfulness_drop: float = Field(default=0.03, ge=0, le=1)
    faithfulness_backstop: float = Field(default=0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _rising_to_all(self) -> CanaryConfig:
        if not self.weights or list(self.weights) != sorted(set(self.weights)) or self.weights[-1] != 100 or self.weights[0] < 1:
            raise ValueError("canary.weights must rise from at least 1 to 100, as in [5, 25, 100]")
        return self


class RegistryConfig(Frozen):
    """The MLflow registry."""

    tracking_uri: str = Field(default="", description="MLflow URI; empty: SQLite in the work folder")


class ReleaseConfig(Frozen):
    """The Git repository whose model pin Argo CD follows."""

    repository: str = Field(default="", description="URL or path; empty: a repository in the work folder")
    branch: str = "main"
    environment: str = "kind"


class UpkeepConfig(Frozen):
    """Retention, compaction and clean-up of the lake."""

    retention_days: int = Field(default=90, ge=1, description="older traces, their labels and datasets are deleted")
    snapshot_days: int = Field(default=14, ge=0, description="snapshots younger than this stay readable; tagged ones stay until untagged")
    inflight_hours: float = Field(
        default=24.0, ge=0, description="no unreferenced file younger than this is deleted: it may be a write in progress"
    )
    compact_files: int = Field(default=8, ge=2, description="a closed date with more data files in one partition is rewritten")


class NotifyConfig(Frozen):
    """Who is told how a workflow ended."""

    webhook_url_file: str = Field(default="", description="mounted file holding the URL that gets a JSON POST; empty: nobody is told")
    timeout_s: float = Field(default=10.0, gt=0, le=60)


class CostConfig(Frozen):
    """Prices used in estimates, in US dollars."""

    cpu_core_hour_usd: float = Field(default=0.0425, ge=0)
    gpu_hour_usd: float = Field(default=7.912, ge=0)
    train_gpus: int = Field(default=0, ge=0)
    train_step_s: float = Field(default=0.0, ge=0, description="expected seconds of one optimizer step; 0: the embedded model's")


class WorldConfig(Frozen):
    """The embedded world of `ctp run`: sample domain, users and the first model."""

    base_model: str = Field(default="", description="Hugging Face id or path; empty: a tiny Qwen3 warmed up here")
    requests_per_prompt: int = Field(default=6, ge=2, description="how often users ask each question before training")
    concurrency: int = Field(default=32, ge=1, description="users waiting for an answer at the same time")
