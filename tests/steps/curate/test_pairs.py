from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steps.contract.config import CurateConfig
from steps.curate.contamination import GoldenGuard
from steps.curate.dataset import rows
from steps.curate.pairs import pair_up, select
from steps.store.golden import GoldenItem


def choose(traces, *, is_golden=lambda trace: False, is_superseded=lambda trace: False, **config):
    return select(traces, CurateConfig(**config), is_golden=is_golden, is_superseded=is_superseded)


def pair_ids(selection):
    return [(pair.chosen.trace_id, pair.rejected.trace_id) for pair in selection.pairs]


def test_best_against_worst(make_trace):
    traces = [make_trace(f"t{n}", answer=f"a{n}", score=score) for n, score in enumerate((0.2, 0.95, 0.0, 0.8))]
    assert pair_ids(choose(traces)) == [("t1", "t2")]


def test_the_rejected_answer_needs_no_minimum(make_trace):
    selection = choose([make_trace("a", score=1.0), make_trace("b", answer="x", score=0.0)])
    assert selection.pairs[0].rejected.score == 0.0


@pytest.mark.parametrize(("best", "worst", "pairs"), [(0.7, 0.4, 1), (0.69, 0.0, 0), (0.9, 0.61, 0), (1.0, 0.7, 1)])
def test_thresholds(make_trace, best, worst, pairs):
    assert len(choose([make_trace("a", score=best), make_trace("b", answer="x", score=worst)], min_margin=0.3).pairs) == pairs


def test_ties_are_settled_by_trace_id(make_trace):
    traces = [make_trace(name, answer=name, score=score) for name, score in (("d", 0.0), ("c", 0.0), ("b", 1.0), ("a", 1.0))]
    assert pair_ids(choose(traces)) == [("b", "c")]


def test_more_pairs_of_one_prompt_use_every_answer_once(make_trace):
    ranked = [make_trace(f"t{n}", answer=f"a{n}", score=n / 10) for n in range(11)]
    pairs = pair_up(ranked, CurateConfig(max_pairs_per_prompt=9))
    assert [(pair.chosen.trace_id, pair.rejected.trace_id) for pair in pairs] == [("t10", "t0"), ("t9", "t1"), ("t8", "t2"), ("t7", "t3")]


def test_the_same_answer_counts_once(make_trace):
    traces = [make_trace("b", answer="same ", score=0.9), make_trace("a", answer="same", score=0.1)]
    selection = choose(traces)
    assert not selection.pairs
    assert selection.excluded["duplicate"] == 1


def test_prompts_with_other_contexts_are_other_prompts(make_trace):
    traces = [make_trace("a", score=1.0), make_trace("b", answer="x", score=0.0, contexts=("Aurora listens on port 1.",))]
    selection = choose(traces)
    assert not selection.pairs
    assert len(selection.prompts) == 2


def test_excluded_traces_are_counted_by_reason(make_trace):
    traces = [make_trace("a"), make_trace("b", question="golden"), make_trace("c", model_version="1")]
    selection = choose(traces, is_golden=lambda trace: trace.question == "golden", is_superseded=lambda trace: trace.model_version == "1")
    assert selection.excluded == {"golden": 1, "superseded": 1, "duplicate": 0}
    assert len(selection.prompts) == 1


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(("q1", "q2", "Gold?")), st.sampled_from(("ctx one", "the gold is 7.")), st.sampled_from("abcd"), st.floats(0, 1)
    ),
    max_size=30,
)


@given(answers=ANSWERS, seed=st.integers(0, 99), most=st.integers(1, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_does_not_matter_and_gold_never_enters(make_trace, answers, seed, most):
    guard = GoldenGuard([GoldenItem(id="1", question="gold", messages=({"role": "user"},), statement="The gold is 7")])
    traces = [make_trace(f"t{n:02}", q, (c,), a, s) for n, (q, c, a, s) in enumerate(answers)]
    options = {"is_golden": lambda trace: guard.holds(trace.question, trace.contexts), "max_pairs_per_prompt": most}
    found = rows(choose(traces, **options))
    random.Random(seed).shuffle(traces)
    assert rows(choose(traces, **options)) == found
    assert not [row for row in found if row["question"] == "Gold?" or "the gold is 7." in row["contexts"]]
    assert all(
        row["chosen_score"] - row["rejected_score"] > 0.29999 and row["chosen"] != row["rejected"] for row in found if row["kind"] == "pair"
    )
