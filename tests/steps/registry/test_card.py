from __future__ import annotations

from steps.registry.card import MAX_CHARS, amend_card, render_card

TAGS = {"ctp.sha256": "a" * 64, "ctp.approved-by": "A | B\nC", "ctp.method": "dpo"}


def verdict(findings=1):
    metric = {"champion": 0.5, "candidate": 0.9, "delta": 0.4, "ci95": [0.3, 0.5], "n": 64}
    return {"metrics": {"faithfulness": metric}, "findings": [{"reason": f"rule {n} holds " + "x" * 90} for n in range(findings)]}


def test_unknown_facts_are_left_out_and_values_cannot_break_the_table():
    card = render_card("agent-model", TAGS, None)
    assert "Dataset" not in card
    assert "| Training approved by | A \\| B C |" in card


def test_the_gate_stands_in_the_card():
    assert "| faithfulness | 0.5 | 0.9 | +0.4 | +0.3 to +0.5 | 64 |" in render_card("agent-model", TAGS, verdict())


def test_a_long_card_keeps_its_lineage_and_fits_the_column():
    card = render_card("agent-model", TAGS, verdict(findings=200))
    assert len(card) <= MAX_CHARS
    assert "a" * 64 in card and card.endswith("\n")


def test_the_first_model_says_so():
    assert "met no gate" in render_card("agent-model", TAGS | {"ctp.bootstrap": "true"}, None)


def test_a_later_decision_enters_the_table_and_the_rest_stays():
    card = render_card("agent-model", TAGS, verdict())
    decided = TAGS | {"ctp.deploy-decision": "approved", "ctp.deploy-decided-by": "Ada"}
    amended = amend_card(card, decided)
    assert amended == render_card("agent-model", decided, verdict())
    assert amend_card(amended, decided) == amended
    assert amend_card(render_card("agent-model", TAGS, None), decided) == render_card("agent-model", decided, None)


def test_an_amended_card_fits_the_column():
    assert len(amend_card(render_card("m", TAGS, verdict(findings=200)), TAGS | {"ctp.deploy-decided-by": "x" * 300})) <= MAX_CHARS
