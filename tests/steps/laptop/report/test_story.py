from __future__ import annotations

import pytest

from steps.laptop.report.story import headline, key_figures, reasons

from .factories import make_aborted, make_canary, make_finding, make_gate, make_metric, make_rejected, make_report


def test_promoted():
    assert headline(make_report()) == (
        "Promoted: faithfulness on unseen questions rose from 0.54 to 0.92 (+0.38, 95 % CI 0.32–0.45); "
        "the new model serves 100 % of traffic."
    )
    assert reasons(make_report()) == []


def test_promoted_without_change_or_metrics():
    same = make_gate(metrics={"faithfulness": make_metric(0.9, 0.9)})
    assert "stayed at 0.90 (0.00, 95 % CI −0.05 to 0.05)" in headline(make_report(gate=same))
    assert headline(make_report(gate=None)).startswith("Promoted: the new model passed every check;")


def test_rejected_names_the_rules():
    told = headline(make_rejected())
    assert told.startswith("Rejected: 2 of the gate’s 7 rules did not hold (fluency drop, gold facts lost), although faithfulness")
    assert told.endswith("The current model keeps serving all traffic.")
    assert [(reason.title, reason.tone) for reason in reasons(make_rejected())] == [
        ("Fluency drop", "bad"),
        ("Gold facts lost", "bad"),
        ("p99 latency growth", "warn"),
    ]


def test_rejected_because_nothing_was_certain():
    gate = make_gate(phase="Inconclusive", findings=(make_finding("fluency_drop", None, 0.1, ok=None),), metrics={})
    assert "1 of the gate’s 1 rules lacked the evidence to decide (fluency drop)." in headline(make_rejected(gate=gate))


def test_rejected_before_the_gate_gives_the_reason():
    record = make_rejected(gate=None, approvals=(), reason="12 pairs, at least 32 are needed.")
    assert headline(record) == "Rejected: 12 pairs, at least 32 are needed. The current model keeps serving all traffic."


def test_aborted_compares_live_scores():
    assert headline(make_aborted()) == (
        "Aborted: at 25 % of live traffic the new model’s faithfulness was 0.11, the current one’s 0.55. "
        "All traffic was back on the previous model after 6.2 s; no user saw an error."
    )
    assert [reason.tone for reason in reasons(make_aborted())] == ["bad", "good"]


def test_aborted_for_another_reason_says_it():
    canary = make_canary(reason="at 5 %: no verdict in time: 3 of 30 scored answers", user_errors=2, abort_seconds=1.5)
    told = headline(make_aborted(canary=canary))
    assert told.startswith("Aborted: at 5 % of live traffic, no verdict in time: 3 of 30 scored answers.")
    assert told.endswith("after 1.5 s; users saw 2 errors.")
    assert "no verdict in time" in [reason.text for reason in reasons(make_aborted(canary=canary))][1]


@pytest.mark.parametrize("make", [make_rejected, make_aborted])
def test_run_without_any_reason(make):
    assert "recorded no reason" in headline(make(gate=None, canary=None, reason="", approvals=()))


def test_long_reasons_are_cut():
    assert len(headline(make_rejected(gate=None, reason="x" * 5000))) < 400


def test_key_figures_are_at_most_six():
    for record in (make_report(), make_rejected(), make_aborted()):
        assert 4 <= len(key_figures(record)) <= 6


def test_grpo_counts_prompts():
    figures = {figure.label: figure for figure in key_figures(make_report(method="grpo"))}
    assert (figures["Training data"].value, figures["Training data"].note) == ("231", "prompts")
