"""Both judges before a run spends money: the real offline judge, a real lake."""

from __future__ import annotations

import json

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError, DataError
from steps.contract.spec import StepContext
from steps.scoring.drift_check import check_before_labelling, stored_answers
from steps.store.lake import open_lake


@pytest.fixture
def make_ctx(judge_url, tmp_path):
    def make(**gate):
        config = {"reward_judge": {"base_url": judge_url}, "gate_judge": {"base_url": judge_url}, "gate": {"min_prompts": 4, **gate}}
        return StepContext(config=PipelineConfig.model_validate(config), run_id="r", workdir=tmp_path)

    return make


def check(golden, ctx):
    with open_lake(ctx.config, ctx.workdir) as lake:
        return check_before_labelling(golden, ctx, lake), lake.run_records("judge-drift")


def test_both_judges_are_recorded_once_and_found_again(make_ctx, make_golden, golden_file):
    golden, ctx = golden_file(make_golden(8)), make_ctx()
    first, _ = check(golden, ctx)
    assert [(drift.role, drift.recorded, drift.answers) for drift in first] == [("reward", True, 16), ("gate", True, 16)]
    again, records = check(golden, ctx)
    assert [(drift.recorded, drift.shift, drift.noise) for drift in again] == [(False, 0, 0), (False, 0, 0)]
    assert len(records) == 1 and [judge["ok"] for judge in records[0].payload["judges"]] == [True, True]


def test_a_moved_judge_stops_the_run_and_says_what_to_do(make_ctx, make_golden, golden_file):
    golden, ctx = golden_file(make_golden(8)), make_ctx()
    check(golden, ctx)
    for path in (ctx.artifacts / "judge-records").glob("*.json"):
        record = json.loads(path.read_text())
        record["scores"] = {key: dict.fromkeys(scores, 0.5) for key, scores in record["scores"].items()}
        path.write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"reward judge on 16 stored answers: mean score moved by .* serve the recorded judge again"):
        check(golden, ctx)


def test_another_golden_set_or_judge_has_a_record_of_its_own(make_ctx, make_golden, golden_file):
    ctx = make_ctx()
    check(golden_file(make_golden(8)), ctx)
    check(golden_file(make_golden(9)), ctx)
    assert len(list((ctx.artifacts / "judge-records").glob("*.json"))) == 4


def test_a_golden_set_that_decides_nothing_is_refused_before_money_is_spent(make_ctx, make_golden, golden_file):
    with pytest.raises(DataError, match=r"8 golden questions, and the gate needs 500 \(gate.min_prompts\)"):
        check(golden_file(make_golden(8)), make_ctx(min_prompts=500))


def test_a_bounded_number_of_questions_is_asked_and_always_the_same(make_golden):
    golden = make_golden(30)
    few, more = stored_answers(golden, 5), stored_answers(golden, 10)
    assert len(few) == 10 and few.items() <= more.items()
