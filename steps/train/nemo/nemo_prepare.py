"""Step `nemo-prepare`: everything that NeMo-RL reads, written and checked before a GPU starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field

from steps.contract.config.nemo import NemoConfig, optimizer_steps
from steps.contract.errors import ConfigError, DataError
from steps.contract.files import canonical_json, sha256_text, write_atomic, write_json
from steps.contract.refs import ArtifactRef, Frozen
from steps.contract.spec import StepContext
from steps.train.dataset import fit_rows, read_rows
from steps.train.nemo.data_files import as_lines, hold_out
from steps.train.nemo.master_config import METRIC, build_master_config
from steps.train.nemo.paths import TrainingPaths
from steps.train.train import Params, check_inputs, reward_settings
from steps.train.trainers import load_tokenizer, quiet

if TYPE_CHECKING:
    from steps.train.dataset import TrainRows

# Part of every candidate's name: raise it when the same inputs give other weights.
NEMO_VERSION = 1
# NeMo-RL adds a start and an end token where the chat template writes none.
EXTRA_TOKENS = 2
# In the image of target `nemo-rl`: an environment with our dependencies, and where the ConfigMap is mounted.
SCORER_PYTHON, SCORER_CONFIG = "/opt/ctp/bin/python", "/etc/ctp/config.yaml"


class Result(Frozen):
    """What a RayJob may start from."""

    key: str = Field(
        pattern=r"^[0-9a-f]{16}$",
        description="names the training; the same inputs and settings have the same, and go on from its checkpoints",
    )
    needed: Literal["yes", "no"] = Field(description="`no` when the candidate exists already, so that no GPU is asked for")
    nodes: int = Field(ge=1, description="GPU nodes that the RayJob takes; the training's configuration is written for as many")
    gpus_per_node: int = Field(ge=1, description="GPUs of one of these nodes")
    gpus: int = Field(ge=1, description="GPUs of all these nodes")
    steps: int = Field(ge=1, description="optimizer steps that the training must reach")
    rows: int = Field(description="training rows")
    validation_rows: int = Field(description="rows that are held out")
    skipped_too_long: int = Field(description="rows left out because they exceed `train.nemo.max_length_tokens`")


def nemo_key(params: Params, ctx: StepContext) -> str:
    """16 hex digits that name a candidate: its dataset, base, method and every setting that shapes its weights."""
    train = ctx.config.train
    other = {"dpo": "grpo", "grpo": "dpo"}[params.method]
    settings: dict[str, Any] = {"seed": train.seed, "version": NEMO_VERSION, "nemo": train.nemo.model_dump(exclude={"enabled", other})}
    if params.method == "grpo":
        settings |= reward_settings(ctx)
    return sha256_text(canonical_json(["nemo-rl", params.dataset.sha256, params.base.sha256, params.method, settings]))[:16]


def inputs_of(dataset: ArtifactRef, base: ArtifactRef, method: str) -> dict[str, str]:
    """What a training is of, for its record."""
    return {"dataset": dataset.sha256, "base": base.sha256, "method": method}


def candidate(ctx: StepContext, key: str) -> tuple[Path, Path]:
    """Folder and record of a candidate."""
    folder = ctx.artifacts / "models" / key
    return folder, folder.with_name(f"{key}.json")


def run(params: Params, ctx: StepContext) -> Result:
    """Write the data files and the configuration of one training.

    Called again with the same inputs it writes the same bytes and leaves checkpoints alone.

    Raises:
        ConfigError: this environment does not offer NeMo-RL, or GRPO has no judge.
        DataError: the dataset is not the approved one, an input changed, or too few rows fit.
    """
    nemo = ctx.config.train.nemo
    if not nemo.enabled:
        raise ConfigError("train.nemo.enabled is false: this environment has no nodes for NeMo-RL, use trainer trl")
    if params.method == "grpo" and not ctx.config.reward_judge.base_url:
        raise ConfigError("reward_judge.base_url is empty: GRPO asks it for every sampled answer")
    dataset, base = check_inputs(params.dataset, params.base, params.approved_digest)
    paths = TrainingPaths(ctx.workdir.absolute(), nemo_key(params, ctx), params.dataset.sha256)
    target, record = candidate(ctx, paths.key)
    data = _fitted(dataset, base, params.method, nemo)
    result = _write(params, ctx, paths, base, data)
    return result.model_copy(update={"needed": "no" if target.is_dir() and record.is_file() else "yes"})


def _fitted(dataset: Path, base: Path, method: Literal["dpo", "grpo"], nemo: NemoConfig) -> TrainRows:
    """The rows that fit, in the dataset's order."""
    rows = read_rows(dataset, "pair" if method == "dpo" else "prompt")
    with quiet():
        tokenizer = load_tokenizer(base)
        if tokenizer.chat_template is None:
            raise DataError(f"{base}: the tokenizer has no chat template: use an instruction-tuned base model")
        room = nemo.max_length_tokens - EXTRA_TOKENS
        return fit_rows(rows, tokenizer, room, nemo.grpo.max_answer_tokens, enable_thinking=nemo.enable_thinking)


def _write(params: Params, ctx: StepContext, paths: TrainingPaths, base: Path, data: TrainRows) -> Result:
    """Data files, target and, last, the configuration that names them."""
    nemo, method = ctx.config.train.nemo, params.method
    train, validation = hold_out(data.rows, nemo.validation_ratio, nemo.max_validation_rows)
    steps = optimizer_steps(nemo, method, len(train))
    if steps == 0:
        needed = nemo.dpo.batch_pairs if method == "dpo" else nemo.grpo.prompts_per_step
        raise DataError(
            f"{len(train)} rows do not fill one batch of {needed}, and NeMo-RL would train nothing: "
            "collect more traces, or make train.nemo's batch smaller"
        )
    write_atomic(paths.data / "train.jsonl", as_lines(train, method))
    write_atomic(paths.data / "validation.jsonl", as_lines(validation, method))
    result = Result(
        key=paths.key,
        needed="yes",
        nodes=nemo.nodes,
        gpus_per_node=nemo.gpus_per_node,
        gpus=nemo.gpus,
        steps=steps,
        rows=len(train),
        validation_rows=len(validation),
        skipped_too_long=data.skipped_too_long,
    )
    # `nemo-collect` reads this, not the configuration, which may have changed in the hours between.
    wanted = result.model_dump(exclude={"needed", "nodes", "gpus_per_node", "gpus"}) | {
        "method": method,
        "metric": _metric(method),
        "pick": nemo.pick,
    }
    write_json(paths.target, wanted | {"inputs": inputs_of(params.dataset, params.base, method)})
    judge = {
        "python": SCORER_PYTHON,
        "config": SCORER_CONFIG,
        "concurrency": nemo.reward_concurrency,
        "timeout_s": nemo.reward_timeout_s,
        "max_unscored_ratio": nemo.max_unscored_ratio,
    }
    text = build_master_config(nemo, method, paths, base.absolute(), (len(train), len(validation)), ctx.config.train.seed, judge)
    write_atomic(paths.config, yaml.safe_dump(text, sort_keys=False, allow_unicode=True))
    return result


def _metric(method: Literal["dpo", "grpo"]) -> dict[str, Any]:
    name, higher = METRIC[method]
    return {"name": name, "higher_is_better": higher}
