"""The blocks of PipelineConfig: schema, defaults and bounds. A default lives once, on its field.

`steps.contract.config` puts them together and reads files; modules take a block from there.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from steps.contract.config.nemo import NemoConfig
from steps.contract.config.prices import CPU_CORE_HOUR_USD, INSTANCES, MEMORY_GIB_HOUR_USD, Instance, Machine
from steps.contract.refs import Frozen


class LakeConfig(Frozen):
    """The Iceberg lake. `sql` needs no service; `glue` uses the AWS credential chain."""

    catalog: Literal["sql", "glue"] = Field(
        default="sql", description="kind of the Iceberg catalog: sql (SQLite or another database) or glue"
    )
    uri: str = Field(default="", description="SQLAlchemy URL of the SQL catalog; empty: SQLite in the work folder")
    warehouse: str = Field(default="", description="root of the table files, file:// or s3://; empty: the work folder")
    namespace: str = Field(default="ctp", description="namespace of all tables")


class IngestConfig(Frozen):
    """Where trace files are found and what becomes of them."""

    sources: tuple[str, ...] = Field(default=(), description="trace files or folders read by every run")
    unit_bytes: int = Field(default=64 << 20, gt=0, description="files are grouped into units of about this size")
    keep_raw: bool = Field(default=False, description="keep the loop's own raw spans after they are committed to the lake")


class GovernConfig(Frozen):
    """The four gates. What is not known is refused."""

    allowed_regions: tuple[str, ...] = Field(
        default=("eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-northeast-2"), description="regions whose traces may be used"
    )
    region_default: str = Field(default="", description="region of a source whose spans carry none; empty: refuse them")
    max_confidentiality: Literal["public", "internal", "confidential"] = Field(
        default="internal", description="highest confidentiality class that may be used"
    )
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


class CurateConfig(Frozen):
    """What makes a preference pair."""

    min_chosen_score: float = Field(default=0.7, ge=0, le=1, description="lowest score of a chosen answer, 0-1")
    min_margin: float = Field(default=0.3, ge=0, le=1, description="smallest difference of the scores of a pair, 0-1")
    max_pairs_per_prompt: int = Field(default=1, ge=1, description="pairs of one prompt at most")
    min_pairs: int = Field(default=32, ge=1, description="fewer pairs train nothing: the run ends as rejected")


class DpoConfig(Frozen):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) with an SFT term."""

    learning_rate: float = Field(default=5e-4, gt=0, description="of the optimizer")
    beta: float = Field(default=1.0, gt=0, description="strength of the pull towards the base model")
    sft_weight: float = Field(default=6.0, ge=0, description="weight of the supervised term on the chosen answers")
    epochs: int = Field(default=10, ge=1, description="passes over the pairs")
    batch_size: int = Field(default=16, ge=1, description="pairs of one optimizer step")


class GrpoConfig(Frozen):
    """Group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300)."""

    learning_rate: float = Field(default=3e-4, gt=0, description="of the optimizer")
    beta: float = Field(default=0.0, ge=0, description="weight of the divergence from the base model")
    num_generations: int = Field(default=8, ge=2, description="sampled answers to each prompt")
    prompts_per_step: int = Field(default=8, ge=1, description="prompts of one step")
    max_steps: int = Field(default=45, ge=1, description="optimizer steps of the whole training")
    max_answer_tokens: int = Field(default=24, ge=1, description="sampled answers are cut here while training")


class TrainConfig(Frozen):
    """Training of the candidate."""

    method: Literal["dpo", "grpo"] = Field(default="dpo", description="dpo (preference pairs) or grpo (judged samples)")
    seed: int = Field(default=0, description="seed of every random choice of the training")
    dpo: DpoConfig = DpoConfig()
    grpo: GrpoConfig = GrpoConfig()
    max_length_tokens: int = Field(default=384, ge=16, description="longest row in tokens; longer ones are left out")
    save_steps: int = Field(default=10, ge=1, description="optimizer steps between checkpoints")
    nemo: NemoConfig = NemoConfig()


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


class RegistryConfig(Frozen):
    """The MLflow registry."""

    tracking_uri: str = Field(default="", description="MLflow URI; empty: SQLite in the work folder")
    model_store: str = Field(
        default="", description="file:///FOLDER or s3://BUCKET/PREFIX that registered models are copied to; empty: they stay where they are"
    )


class ReleaseConfig(Frozen):
    """The Git repository whose model pin Argo CD follows, how to write it, and the Rollout that follows it.

    Without credential files, git's own configuration counts (credential helpers, ssh agent).
    """

    repository: str = Field(default="", description="URL or path; empty: a repository in the work folder")
    branch: str = Field(default="main", description="branch that Argo CD follows")
    environment: str = Field(default="kind", description="environment whose pin moves")
    mode: Literal["commit", "pull-request"] = Field(
        default="commit",
        description="commit: to the branch; pull-request: to a branch release/<environment>/<model>-<version> for people to merge",
    )
    username: str = Field(default="ctp", pattern=r"^[\w.@+-]+$", description="user name beside token_file; many hosts take any")
    token_file: str = Field(default="", description="mounted file holding the token or password of an https repository")
    ssh_key_file: str = Field(default="", description="mounted file holding the private key of an ssh repository; needs known_hosts_file")
    known_hosts_file: str = Field(
        default="", description="mounted file holding the host keys of an ssh repository; no other host is trusted"
    )
    rollout_namespace: str = Field(
        default="model-serving", pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", description="namespace of the Rollout"
    )
    rollout: str = Field(default="agent-model", pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", description="name of the Rollout")
    rollback_limit_s: float = Field(default=300.0, gt=0, description="from breach to the previous generation back; more is warned about")

    @model_validator(mode="after")
    def _credentials_fit(self) -> ReleaseConfig:
        url = self.repository
        if url.startswith("-") or re.match(r"\w+://[^/@\s]*:[^/@\s]*@", url):
            raise ValueError("release.repository must be a URL or path without a password: put that into a file and name it as token_file")
        if bool(self.ssh_key_file) != bool(self.known_hosts_file):
            raise ValueError("release.ssh_key_file and release.known_hosts_file need each other: a host that is not known is not trusted")
        loopback = re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])[:/]", url)
        if self.token_file and not (url.startswith("https://") or loopback):
            raise ValueError("release.token_file is for https repositories: any other would send it in clear, or not at all")
        return self


class UpkeepConfig(Frozen):
    """Retention, compaction and clean-up of the lake."""

    retention_days: int = Field(default=90, ge=1, description="older traces, their labels and datasets are deleted")
    snapshot_days: int = Field(default=14, ge=0, description="snapshots younger than this stay readable; tagged ones stay until untagged")
    inflight_hours: float = Field(
        default=24.0, ge=0, description="no unreferenced file younger than this is deleted: it may be a write in progress"
    )
    model_days: int = Field(default=90, ge=1, description="files of older models go, but never those of the last champions")
    keep_generations: int = Field(default=3, ge=3, description="champions whose files always stay, the one that serves included")
    compact_files: int = Field(default=8, ge=2, description="a closed date with more data files in one partition is rewritten")


class NotifyConfig(Frozen):
    """Who is told how a workflow ended."""

    webhook_url_file: str = Field(default="", description="mounted file holding the URL that gets a JSON POST; empty: nobody is told")
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="seconds that the webhook may take")


class CostConfig(Frozen):
    """Prices and ceilings, in US dollars. The one place where they stand; 0 as a ceiling: none."""

    instances: dict[str, Instance] = Field(
        default=INSTANCES, description="instance type -> size and price; entries are laid on the built-in table, value by value"
    )
    machines: dict[Literal["train", "gate", "judge", "serve"], Machine] = Field(
        default={
            "train": Machine(instance="p5en.48xlarge"),
            "gate": Machine(instance="g6.12xlarge"),
            "judge": Machine(instance="g6.xlarge"),
            "serve": Machine(instance="g6.12xlarge"),
        },
        description="what each kind of GPU work runs on; the node pools must offer the same",
    )
    cpu_core_hour_usd: float = Field(default=CPU_CORE_HOUR_USD, ge=0, description="pods without GPUs pay their cores …")
    memory_gib_hour_usd: float = Field(default=MEMORY_GIB_HOUR_USD, ge=0, description="… and their memory")
    train_gpus: int = Field(default=0, ge=0, description="GPUs of the pod that trains with TRL; 0: it runs on a CPU")
    train_step_s: dict[Literal["trl", "nemo-rl"], dict[Literal["dpo", "grpo"], float]] = Field(
        default={}, description="expected seconds of one optimizer step by trainer and method; without GPUs: measured on the embedded model"
    )
    monthly_usd_limit: float = Field(default=0.0, ge=0, description="no training starts that could exceed it in a UTC month; 0: no limit")
    monthly_gpu_hours_limit: float = Field(default=0.0, ge=0, description="the same in GPU hours; 0: no limit")

    @field_validator("instances", "machines", mode="before")
    @classmethod
    def _laid_on_defaults(cls, given: Any, info: ValidationInfo) -> Any:
        """A file names only what differs, so that one Spot price does not repeat the whole table."""
        if not isinstance(given, dict):
            return given
        field = cls.model_fields[str(info.field_name)]
        merged = {name: entry.model_dump() for name, entry in field.get_default().items()}
        for name, entry in given.items():
            known = merged.get(name, {})
            if isinstance(entry, dict):
                entry = known | entry | ({"hour_usd": known.get("hour_usd", {}) | entry["hour_usd"]} if "hour_usd" in entry else {})
            merged[name] = entry
        return merged

    @model_validator(mode="after")
    def _priced(self) -> CostConfig:
        for work, machine in self.machines.items():
            if machine.instance not in self.instances:
                raise ValueError(f"machines.{work}: {machine.instance!r} has no price: add it to cost.instances")
        if any(seconds <= 0 for methods in self.train_step_s.values() for seconds in methods.values()):
            raise ValueError("train_step_s: seconds must be above 0")
        if self.train_gpus and {"dpo", "grpo"} - self.train_step_s.get("trl", {}).keys():
            raise ValueError("train_step_s.trl must say dpo and grpo when train_gpus is above 0: the embedded model's mean nothing there")
        if self.train_gpus and not self.instances[self.machines["train"].instance].gpus:
            raise ValueError(f"machines.train: {self.machines['train'].instance} has no GPU, and train_gpus is {self.train_gpus}")
        return self


class WorldConfig(Frozen):
    """The embedded world of `ctp run`: sample domain, users and the first model."""

    base_model: str = Field(default="", description="Hugging Face id or path; empty: a tiny Qwen3 warmed up here")
    requests_per_prompt: int = Field(default=6, ge=2, description="how often users ask each question before training")
    concurrency: int = Field(default=32, ge=1, description="users waiting for an answer at the same time")
