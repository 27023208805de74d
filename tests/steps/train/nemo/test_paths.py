"""Paths of one NeMo-RL training."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.train.nemo.paths import KEY, TrainingPaths


def test_a_data_file_names_its_task_by_key_and_file():
    """NeMo-RL takes the last two parts of the path, up to the first dot."""
    paths = TrainingPaths(Path("/w"), "0123456789abcdef", "f" * 64)
    assert (paths.data / "train.jsonl").parts[-2:] == (paths.key, "train.jsonl") and "." not in paths.key
    assert paths.data.is_relative_to(Path("/w/artifacts/datasets") / paths.digest), "erasure finds rows by the dataset's digest"


def test_everything_else_lies_in_the_trainings_own_folder():
    one, other = (TrainingPaths(Path("/w"), digit * 16, "f" * 64) for digit in "01")
    assert {path.relative_to(one.folder).as_posix() for path in (one.config, one.target, one.checkpoints)} == {
        "config.yaml",
        "target.json",
        "checkpoints",
    }
    assert one.folder != other.folder and one.data != other.data


@pytest.mark.parametrize(("key", "ok"), [("0123456789abcdef", True), ("../../etc/passwd", False), ("0123456789ABCDEF", False), ("", False)])
def test_a_key_is_no_path(key, ok):
    assert bool(KEY.fullmatch(key)) is ok
