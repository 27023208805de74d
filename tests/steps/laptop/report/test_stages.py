from __future__ import annotations

import pytest

from steps.laptop.report.stages import flow, stage_title, title_of

from .factories import START, make_aborted, make_rejected, make_report


def states(record):
    return {stage.title: stage.state for stage in flow(record)}


def test_promoted_run_is_done_everywhere():
    assert set(states(make_report()).values()) == {"done"}
    assert [stage.title for stage in flow(make_report())][:3] == ["Prepare", "Users ask", "Ingest"]


def test_rejected_run_stops_at_the_gate():
    found = states(make_rejected())
    assert found["Gate"] == "stopped"
    assert found["Train"] == "done"
    assert found["Register"] == found["Release"] == found["Canary"] == "missing"


def test_aborted_run_stops_at_the_canary_and_settles():
    found = states(make_aborted())
    assert (found["Canary"], found["Settle"]) == ("stopped", "done")


def test_run_that_a_person_declined_stops_there():
    refusal = {"name": "approve-train", "by": "ana", "at": START, "automatic": False, "decision": "rejected"}
    record = make_rejected(approvals=(refusal,), gate=None, train=None, seconds={"curate": 1.0})
    assert states(record)["Approve training"] == "stopped"


def test_run_with_too_few_pairs_stops_at_its_last_stage():
    record = make_rejected(approvals=(), gate=None, train=None, seconds={"ingest": 1.0, "curate": 1.0})
    assert states(record)["Curate"] == "stopped"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("answer_relevancy", "Answer relevancy"),
        ("rewards/margins", "Rewards: margins"),
        ("p99_latency_growth", "p99 latency growth"),
        ("length_words", "Answer length in words"),
        ("", ""),
    ],
)
def test_title_of(name, title):
    assert title_of(name) == title


def test_unknown_stage_has_a_title():
    assert stage_title("warm-up") == "Warm up"
