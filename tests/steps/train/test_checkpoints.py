"""Only whole checkpoints are resumed."""

from __future__ import annotations

import pytest

from steps.train.checkpoints import curves_of, mark_complete, newest_complete


@pytest.fixture
def checkpoint(tmp_path):
    def make(step, *, complete=True):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"w" * step)
        (folder / "optimizer.pt").write_bytes(b"o" * 2 * step)
        if complete:
            mark_complete(folder)
        return folder

    return make


def test_the_newest_by_number(checkpoint, tmp_path):
    checkpoint(8), checkpoint(10), checkpoint(9)
    assert newest_complete(tmp_path).name == "checkpoint-10"


def test_nothing_there(tmp_path):
    assert newest_complete(tmp_path / "absent") is None


def test_killed_while_writing(checkpoint, tmp_path):
    checkpoint(4)
    torn = checkpoint(6, complete=False)
    assert newest_complete(tmp_path).name == "checkpoint-4"
    assert not torn.exists(), "a trainer must not find it either"


@pytest.mark.parametrize("damage", ["missing", "short", "mark cut", "extra"])
def test_killed_while_deleting_or_damaged(damage, checkpoint, tmp_path):
    checkpoint(4)
    newer = checkpoint(6)
    if damage == "missing":
        (newer / "optimizer.pt").unlink()
    elif damage == "short":
        (newer / "optimizer.pt").write_bytes(b"o")
    elif damage == "extra":
        (newer / "stray").write_bytes(b"")
    else:
        mark = newer / "complete.json"
        mark.write_bytes(mark.read_bytes()[:5])
    assert newest_complete(tmp_path).name == "checkpoint-4"


def test_curves_hold_plain_numbers():
    history = [
        {"step": 1, "loss": "0.5", "epoch": 0.1, "rewards/margins": 0.2, "reward": None},
        {"step": 1, "epoch": 0.1},
        {"step": 2, "train_runtime": 3.0, "loss": 0.4},
    ]
    assert curves_of(history) == [{"step": 1.0, "loss": 0.5, "rewards/margins": 0.2}]
