"""How far a training is, by its checkpoints."""

from __future__ import annotations

from steps.train.nemo.progress import Checkpoint, checkpoints, steps_reached


def test_only_finished_checkpoints_with_a_record_count(tmp_path):
    for name, text in {
        "step_2": '{"total_steps": 2}',
        "step_4": "{",
        "step_6": '{"total_steps": 5}',
        "tmp_step_8": '{"total_steps": 8}',
        "step_x": '{"total_steps": 9}',
        "old_step_10": '{"total_steps": 10}',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "training_info.json").write_text(text)
    (tmp_path / "step_12").mkdir()
    assert [item.step for item in checkpoints(tmp_path)] == [2] and steps_reached(tmp_path) == 2
    assert steps_reached(tmp_path / "nowhere") == 0


def test_a_metric_is_a_number_of_the_record(tmp_path):
    checkpoint = Checkpoint(2, tmp_path, {"loss": 3, "flag": True, "name": "x"})
    assert [checkpoint.metric(name) for name in ("loss", "flag", "name", "absent")] == [3.0, None, None, None]
