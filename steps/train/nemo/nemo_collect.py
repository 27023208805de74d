"""Step `nemo-collect`: the checkpoint of a finished NeMo-RL training becomes a candidate like any other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from steps.contract.errors import DataError
from steps.contract.files import read_json, sha256_tree, whole_folder, write_json
from steps.contract.refs import ArtifactRef, Frozen
from steps.contract.spec import StepContext
from steps.train.nemo.nemo_prepare import candidate, inputs_of
from steps.train.nemo.paths import TrainingPaths
from steps.train.nemo.progress import STARTED, Checkpoint, checkpoints
from steps.train.nemo.weights import check_whole
from steps.train.train import Result

__all__ = ["Params", "Result", "run"]

CONSOLIDATED, TOKENIZER = "policy/weights/model/consolidated", "policy/tokenizer"


class Params(Frozen):
    """Which training. The first four are those of `nemo-prepare`: a key that is not theirs is refused."""

    dataset: ArtifactRef = Field(description="the curated dataset, as given to nemo-prepare")
    base: ArtifactRef = Field(description="the base model, as given to nemo-prepare")
    method: Literal["dpo", "grpo"] = Field(default="dpo", description="dpo or grpo, as given to nemo-prepare")
    approved_digest: str = Field(default="", description="SHA-256 of the dataset that a person approved; empty when nobody had to")
    key: str = Field(pattern=r"^[0-9a-f]{16}$", description="what `nemo-prepare` named it")


def run(params: Params, ctx: StepContext) -> Result:
    """Check how far the training came, and put its model among the artifacts; the data files and checkpoints go.

    Raises:
        DataError: the training has not reached its target, the key belongs to other inputs, or the model is not whole.
    """
    if params.approved_digest and params.approved_digest.removeprefix("sha256:") != params.dataset.sha256:
        raise DataError(f"dataset {params.dataset.sha256[:12]} is not the approved {params.approved_digest[:19]}: approve it, then train")
    target, record = candidate(ctx, params.key)
    paths = TrainingPaths(ctx.workdir.absolute(), params.key, params.dataset.sha256)
    reused = target.is_dir() and record.is_file()
    if not reused:
        _collect(params, paths, target, record)
    facts = read_json(record)
    _same_inputs(params, facts.pop("inputs", None))
    # Rows with texts, and optimizer states of many gigabytes.
    shutil.rmtree(paths.data, ignore_errors=True)
    shutil.rmtree(paths.folder, ignore_errors=True)
    model = ArtifactRef(uri=target.resolve().as_uri(), sha256=sha256_tree(target))
    return Result(model=model, method=params.method, reused=reused, **facts)


def _same_inputs(params: Params, inputs: Any) -> None:
    if inputs != inputs_of(params.dataset, params.base, params.method):
        raise DataError(f"key {params.key}: it names a training of another dataset, base or method: give the key of nemo-prepare")


def _collect(params: Params, paths: TrainingPaths, target: Path, record: Path) -> None:
    """Verify the checkpoint and copy its model."""
    if not paths.target.is_file():
        raise DataError(f"{paths.target}: no such training: run nemo-prepare first")
    wanted = read_json(paths.target)
    _same_inputs(params, wanted["inputs"])
    all_checkpoints = checkpoints(paths.checkpoints)
    reached = all_checkpoints[-1].step if all_checkpoints else 0
    if reached < wanted["steps"]:
        raise DataError(
            f"NeMo-RL reached {reached} of {wanted['steps']} steps, whatever its exit code said: "
            "start the workflow again, it goes on from the last checkpoint"
        )
    metric = wanted["metric"]["name"]
    chosen = chosen_checkpoint(all_checkpoints, wanted["pick"], metric, higher=wanted["metric"]["higher_is_better"])
    model = chosen.folder / CONSOLIDATED
    check_whole(model, Path(params.base.local_path()))
    with whole_folder(target) as scratch:
        for source in (chosen.folder / TOKENIZER, model):
            if source.is_dir():
                shutil.copytree(source, scratch, dirs_exist_ok=True, copy_function=_link_or_copy)
        if not any((scratch / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
            raise DataError(f"{chosen.folder / TOKENIZER}: the checkpoint holds no tokenizer: save it again")
    name = "validation_loss" if metric.endswith("loss") else "validation_reward"
    curves = [{"step": float(item.step), name: value} for item in all_checkpoints if (value := item.metric(metric)) is not None]
    facts = {"steps": reached, "seconds": _seconds(paths, all_checkpoints[-1]), "curves": curves}
    write_json(record, facts | {"skipped_too_long": wanted["skipped_too_long"], "inputs": wanted["inputs"]})


def chosen_checkpoint(all_checkpoints: list[Checkpoint], pick: Literal["last", "best"], metric: str, *, higher: bool) -> Checkpoint:
    """The checkpoint that becomes the candidate.

    Args:
        all_checkpoints: all there are, oldest first, at least one.
        pick: the newest, or the one with the best metric; of equals the newest.
        metric: NeMo-RL's name of it.
        higher: more of it is better.
    """
    scored = [(value if higher else -value, item.step, item) for item in all_checkpoints if (value := item.metric(metric)) is not None]
    return max(scored, key=lambda entry: entry[:2])[2] if pick == "best" and scored else all_checkpoints[-1]


def _link_or_copy(source: str, target: str) -> Any:
    """A second name for the same bytes where the file system has that, else a copy."""
    if Path(target).exists():
        Path(target).unlink()
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _seconds(paths: TrainingPaths, newest: Checkpoint) -> float:
    """Wall time from the first attempt's start to the last checkpoint; waiting for nodes between attempts counts."""
    path = paths.folder / STARTED
    if not path.is_file():
        return 0.0
    ended = (newest.folder / "training_info.json").stat().st_mtime
    return round(max(0.0, ended - float(read_json(path)["started"])), 3)
