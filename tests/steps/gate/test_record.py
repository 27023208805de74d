"""The verdict file and its name."""

from __future__ import annotations

import numpy as np
import pytest

from steps.contract.config import PipelineConfig
from steps.contract.files import read_json, sha256_file, write_json
from steps.contract.refs import ArtifactRef
from steps.gate.metrics import Measurements
from steps.gate.record import artifact, examples, read_settled, verdict_key, write_verdict
from steps.gate.scoring import Scored
from steps.gate.suite import Answer
from steps.gate.verdict import Verdict

ONE, TWO = (ArtifactRef(uri=f"file:///m/{digit}", sha256=digit * 64) for digit in "12")


def test_the_name_follows_models_golden_set_limits_and_judge_alone(make_golden):
    golden, config = make_golden(), PipelineConfig()
    key = verdict_key(ONE, TWO, golden, config)
    moved = ArtifactRef(uri="s3://bucket/m", sha256=ONE.sha256)
    elsewhere = PipelineConfig.model_validate({"gate_judge": {"base_url": "http://elsewhere/v1"}})
    assert key == verdict_key(moved, TWO, golden, elsewhere)
    others = {
        verdict_key(TWO, ONE, golden, config),
        verdict_key(ONE, TWO, golden.model_copy(update={"sha256": "c" * 64}), config),
        verdict_key(ONE, TWO, golden, PipelineConfig.model_validate({"gate": {"min_prompts": 7}})),
        verdict_key(ONE, TWO, golden, PipelineConfig.model_validate({"gate_judge": {"prompt_version": "other"}})),
    }
    assert len(others) == 4 and key not in others


def test_examples_are_the_largest_gains_and_losses_in_turn(make_golden):
    golden = make_golden(count=10)
    answers = [Answer(n, 0, arm, f"{arm} {n}", 1.0) for n in range(10) for arm in ("champion", "candidate")]
    answers[2] = Answer(1, 0, "champion", "", 1.0, "TimeoutError")
    # The candidate gains n/10 on question n, but nothing can be said of questions 1 and 9.
    values = np.array([0.0 if answer.arm == "champion" else answer.item / 10 for answer in answers])
    values[19] = np.nan
    shown = examples(golden, answers, Scored({"faithfulness": values}, 20, 20, ""))
    assert [item["champion"] for item in shown] == [f"champion {n}" for n in (8, 0, 7, 9, 6, 2)]
    assert shown[0]["candidate"] == "candidate 8" and shown[0]["question"] == golden.items[8].question


@pytest.mark.parametrize(("phase", "settled"), [("Successful", True), ("Failed", True), ("Inconclusive", False)])
def test_an_inconclusive_verdict_is_measured_again(tmp_path, phase, settled):
    path = tmp_path / "verdict.json"
    assert read_settled(path) is None
    measured = Measurements({"faithfulness": None}, {"champion": 0.0, "candidate": 0.0}, 24)
    document = write_verdict(path, Verdict(phase=phase, reason="x", findings=()), measured, {"judge": "j"})
    assert document["metrics"] == {} and document["judge"] == "j" and read_json(path) == document
    assert read_settled(path) == (document if settled else None)


def test_the_reference_holds_the_digest_of_the_file(tmp_path):
    path = tmp_path / "verdict.json"
    write_json(path, {"phase": "Failed"})
    assert artifact(path) == ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))
