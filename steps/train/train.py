"""Train a candidate from a base model and an approved dataset."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from steps.contract.errors import DataError
from steps.contract.files import canonical_json, full_disk_errors, read_json, sha256_text, sha256_tree, whole_folder, write_json
from steps.contract.refs import ArtifactRef, Frozen
from steps.contract.spec import StepContext
from steps.scoring.policy import judge_identity
from steps.store.artifacts import check_file, check_folder
from steps.train.dataset import fit_rows, read_rows
from steps.train.dpo import train_dpo
from steps.train.grpo import train_grpo
from steps.train.reward import judge_reward
from steps.train.trainers import load_model, load_tokenizer, quiet

if TYPE_CHECKING:
    from steps.train.trainers import Outcome

# Part of every candidate's name: raise it when the same inputs give other weights.
TRAIN_VERSION = 1


class Params(Frozen):
    """Inputs of one training."""

    dataset: ArtifactRef = Field(description="JSON lines of curated rows")
    base: ArtifactRef = Field(description="Hugging Face folder with tokenizer and chat template; its digest is over all files")
    method: Literal["dpo", "grpo"] = Field(default="dpo", description="dpo (preference pairs) or grpo (judged samples)")
    approved_digest: str = Field(default="", description="SHA-256 of the dataset that a person approved; empty when nobody had to")


class Result(Frozen):
    """The candidate."""

    model: ArtifactRef = Field(description="Hugging Face folder")
    method: Literal["dpo", "grpo"] = Field(description="as given")
    steps: int = Field(description="optimizer steps in all")
    seconds: float = Field(description="wall time of this call's training; a resumed call counts its own part")
    reused: bool = Field(description="the same candidate existed; nothing was trained")
    curves: list[dict[str, float]] = Field(description="one entry per optimizer step: step, loss, and margins or reward")
    skipped_too_long: int = Field(description="rows left out because they exceed `train.max_length_tokens`")


def train_key(params: Params, ctx: StepContext) -> str:
    """16 hex digits that name a candidate: its dataset, base, method and every setting that shapes its weights."""
    train = ctx.config.train
    settings: dict[str, object] = {"seed": train.seed, "max_length_tokens": train.max_length_tokens, "version": TRAIN_VERSION}
    settings[params.method] = getattr(train, params.method).model_dump()
    if params.method == "grpo":
        settings |= reward_settings(ctx)
    return sha256_text(canonical_json([params.dataset.sha256, params.base.sha256, params.method, settings]))[:16]


def reward_settings(ctx: StepContext) -> dict[str, object]:
    """What shapes the reward of GRPO: the judge, wherever it listens, and the weights."""
    return {"judge": judge_identity(ctx.config.reward_judge), "weights": ctx.config.label.weights.model_dump()}


def check_inputs(curated: ArtifactRef, start: ArtifactRef, approved_digest: str) -> tuple[Path, Path]:
    """The dataset file and the base folder, proven to be what the references say.

    Args:
        curated: the dataset.
        start: the base model.
        approved_digest: SHA-256 of the dataset that a person approved; empty when nobody had to.

    Raises:
        DataError: the dataset is not the approved one, or an input is missing or changed.
    """
    digest = curated.sha256
    if approved_digest and approved_digest.removeprefix("sha256:") != digest:
        raise DataError(f"dataset {digest[:12]} is not the approved {approved_digest[:19]}: approve this dataset, then train again")
    dataset = check_file(curated, "the curated dataset", "run curate again")
    return dataset, check_folder(start, "the base model", "give --base an existing Hugging Face folder and its digest")


def _train(params: Params, ctx: StepContext, dataset: Path, base: Path, target: Path) -> tuple[Outcome, int]:
    """Train and put the candidate in place; returns the outcome and the rows left out."""
    config = ctx.config.train
    checkpoints = ctx.workdir / "checkpoints" / target.name
    rows = read_rows(dataset, "pair" if params.method == "dpo" else "prompt")
    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet())
        tokenizer = load_tokenizer(base)
        if tokenizer.chat_template is None:
            raise DataError(f"{base}: the tokenizer has no chat template: use an instruction-tuned base model")
        data = fit_rows(rows, tokenizer, config.max_length_tokens, config.grpo.max_answer_tokens)
        model = load_model(base)
        size_bytes = int(model.get_memory_footprint())  # type: ignore[no-untyped-call]
        stack.enter_context(full_disk_errors(ctx.workdir, size_bytes))
        if params.method == "dpo":
            outcome = train_dpo(model, tokenizer, data, config, checkpoints, ctx.progress)
        else:
            reward = stack.enter_context(judge_reward(ctx.config))
            outcome = train_grpo(model, tokenizer, data, config, checkpoints, ctx.progress, reward)
        with whole_folder(target) as scratch, full_disk_errors(scratch, size_bytes):
            model.save_pretrained(scratch)
            tokenizer.save_pretrained(scratch)
    return outcome, data.skipped_too_long


def run(params: Params, ctx: StepContext) -> Result:
    """Train, or find the candidate that the same inputs already gave.

    Raises:
        DataError: the dataset is not the approved one, an input changed since it was referred to, or holds no usable row.
    """
    dataset, base = check_inputs(params.dataset, params.base, params.approved_digest)
    key = train_key(params, ctx)
    target = ctx.artifacts / "models" / key
    record = ctx.artifacts / "models" / f"{key}.json"
    reused = target.is_dir() and record.is_file()
    if not reused:
        started = time.monotonic()
        outcome, skipped = _train(params, ctx, dataset, base, target)
        seconds = round(time.monotonic() - started, 3)
        write_json(record, {"steps": outcome.steps, "seconds": seconds, "curves": outcome.curves, "skipped_too_long": skipped})
        shutil.rmtree(ctx.workdir / "checkpoints" / key, ignore_errors=True)
    model = ArtifactRef(uri=target.resolve().as_uri(), sha256=sha256_tree(target))
    return Result(model=model, method=params.method, reused=reused, **read_json(record))
