"""From answers and scores to comparisons."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steps.contract.config import GateConfig
from steps.gate.metrics import measure, to_record
from steps.gate.suite import Answer

CONFIG = GateConfig(samples_per_prompt=1, bootstrap_samples=200)


def answers_to(golden, candidate=lambda item: item.statement, latency_ms=10.0):
    """One answer of each model to each question; the champion restates every gold fact."""
    return [
        Answer(n, 0, arm, text, latency_ms * (1 if arm == "champion" else 2))
        for n, item in enumerate(golden.items)
        for arm, text in (("champion", item.statement), ("candidate", candidate(item)))
    ]


def judged(answers, champion=0.8, candidate=0.9):
    return {"faithfulness": np.array([champion if answer.arm == "champion" else candidate for answer in answers])}


def test_every_metric_compares_the_candidate_with_the_champion(make_golden):
    golden = make_golden()
    answers = answers_to(golden, candidate=lambda item: "I do not know.")
    measured = measure(golden, answers, judged(answers), CONFIG)
    of = measured.comparisons
    assert set(of) == {"faithfulness", "gold_restated", "fluency", "refusal", "length_words", "p99_latency_ms"}
    assert of["faithfulness"].delta == pytest.approx(0.1) and of["faithfulness"].n == measured.prompts == 24
    assert (of["gold_restated"].champion, of["gold_restated"].candidate) == (1.0, 0.0)
    assert (of["refusal"].champion, of["refusal"].candidate) == (0.0, 1.0)
    assert of["p99_latency_ms"].delta == pytest.approx(1.0), "latency grows relatively"
    assert measured.unscored_ratio == {"champion": 0.0, "candidate": 0.0}


def test_an_answer_that_failed_is_in_no_metric_and_what_lacks_a_score_is_counted(make_golden):
    golden = make_golden()
    answers = answers_to(golden)
    answers[1] = Answer(0, 0, "candidate", "", math.nan, "TimeoutError")
    scores = judged(answers)
    scores["faithfulness"][1] = np.nan
    measured = measure(golden, answers, scores, CONFIG)
    assert measured.comparisons["faithfulness"].n == measured.comparisons["fluency"].n == 23
    assert measured.unscored_ratio == {"champion": 0.0, "candidate": pytest.approx(1 / 24)}


def test_without_gold_facts_there_is_no_such_metric(make_golden):
    golden = make_golden()
    golden = golden.model_copy(update={"items": tuple(item.model_copy(update={"gold": None}) for item in golden.items)})
    answers = answers_to(golden)
    assert "gold_restated" not in measure(golden, answers, judged(answers), CONFIG).comparisons


def test_the_record_scales_the_latency_to_milliseconds(make_golden):
    golden = make_golden()
    answers = answers_to(golden)
    of = measure(golden, answers, judged(answers), CONFIG).comparisons
    latency = to_record("p99_latency_ms", of["p99_latency_ms"])
    assert (latency["champion"], latency["delta"], latency["unit"], latency["better"]) == (10.0, 10.0, "ms", "lower")
    faithfulness = to_record("faithfulness", of["faithfulness"])
    assert faithfulness["delta"] == pytest.approx(0.1) and (faithfulness["unit"], faithfulness["independent"]) == ("score", False)
    assert to_record("gold_restated", of["gold_restated"])["independent"]
