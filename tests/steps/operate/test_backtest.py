"""A backtest compares two reward policies on real labels and writes none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError, UsageError
from steps.contract.files import canonical_json, sha256_text
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.operate.backtest import rank_correlation
from steps.store.lake import open_lake

from ...fan_out import label
from ...lake_rows import put_traces

CONTEXTS = canonical_json(["Silver Falcon listens on port 8443.", "Silver Falcon is owned by team Lynx."])
ANSWERS = ("Silver Falcon listens on port 8443.", "Silver Falcon listens on port 1234.", "Team Lynx.")


def trace(number):
    from datetime import UTC, datetime

    ts = datetime(2026, 5, 1 + number // 3, tzinfo=UTC)
    question = f"Which port does Silver Falcon use, asked the {number // 3} time?"
    answer = ANSWERS[number % 3]
    return {
        "trace_id": f"{number:032x}",
        "source": "otlp",
        "ts": ts,
        "date": ts.date(),
        "model": "agent-model",
        "model_version": "1",
        "consent": "train",
        "status": "ok",
        "question": question,
        "messages_json": "[]",
        "contexts_json": CONTEXTS,
        "answer": answer,
        "prompt_key": sha256_text(question),
        "content_hash": sha256_text(question + answer),
    }


@pytest.fixture
def ctx(tmp_path, judge_url):
    base = PipelineConfig()
    judge = base.reward_judge.model_copy(update={"base_url": judge_url, "tries": 1})
    ctx = StepContext(base.model_copy(update={"reward_judge": judge}), "r1", tmp_path)
    with open_lake(ctx.config, ctx.workdir) as lake:
        ref = put_traces(lake, [trace(number) for number in range(12)])
    label(ctx, str(ref))
    return ctx


def backtest(ctx, policy, **params):
    given = {"policy": json.dumps(policy), "until": "2026-05-30", **params}
    return run_step(find_step("backtest"), given, ctx)


def labels(ctx):
    with open_lake(ctx.config, ctx.workdir) as lake:
        return lake.current("labels")


def test_other_weights_need_no_judge(ctx):
    before = labels(ctx)
    result = backtest(ctx, {"label": {"weights": {"faithfulness": 1, "judge": 0, "answer_relevancy": 0}}})
    assert (result.llm_calls, result.traces, result.compared) == (0, 12, 12)
    assert result.old_policy != result.new_policy
    assert result.shift == pytest.approx(result.mean_new - result.mean_old, abs=2e-6)
    assert 0 < result.rank_correlation <= 1
    assert result.pairs_old == 4
    assert labels(ctx) == before
    report = json.loads(Path(result.report.local_path()).read_text())
    assert len(report["largest_changes"]) == 12
    assert "Falcon" not in json.dumps(report)
    assert backtest(ctx, {"label": {"weights": {"faithfulness": 1, "judge": 0, "answer_relevancy": 0}}}) == result


def test_same_policy_changes_nothing(ctx):
    result = backtest(ctx, {"label": {"weights": {"faithfulness": 0.5}}})
    assert (result.shift, result.rank_correlation, result.pairs_same, result.pairs_flipped) == (0.0, 1.0, result.pairs_old, 0)


def test_another_judge_is_asked(ctx):
    before = labels(ctx)
    result = backtest(
        ctx, {"reward_judge": {"prompt_version": "v1", "model": "lexical-entailment-coverage", "max_tokens": 2048}}, sample="5"
    )
    assert (result.traces, result.compared) == (5, 5)
    assert result.llm_calls > 0
    assert labels(ctx) == before


def test_window_and_nothing_to_compare(ctx):
    assert backtest(ctx, {"label": {"weights": {"judge": 1}}}, until="2026-05-02", days="1").traces == 3
    empty = backtest(ctx, {"label": {"weights": {"judge": 1}}}, until="2026-04-01")
    assert (empty.traces, empty.mean_old, empty.shift, empty.rank_correlation) == (0, None, None, None)


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"gate": {}},
        {"label": {"batch_rows": 1}},
        {"label": {"weights": {"x": 1}}},
        {"label": {"weights": {"judge": -1}}},
        {"reward_judge": {"model": "lexical-entailment-alignment"}},
    ],
)
def test_a_policy_that_is_none_is_refused(ctx, policy):
    with pytest.raises(ConfigError, match="--policy"):
        backtest(ctx, policy)


def test_text_is_no_policy(ctx):
    with pytest.raises(UsageError):
        run_step(find_step("backtest"), {"policy": "weights=1"}, ctx)


def test_rank_correlation():
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == 1.0
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == -1.0
    assert rank_correlation([1, 1, 2], [1, 2, 2]) == pytest.approx(0.5)
    assert rank_correlation([1, 1], [1, 2]) is None
    assert rank_correlation([], []) is None
