from __future__ import annotations

import pytest

from steps.contract.config import GovernConfig
from steps.govern.gates import claims_gates, pii_gate


def refusal(trace, **config):
    decision = claims_gates(trace, GovernConfig(**config))
    return (decision.gate, decision.rule, decision.action) if decision else None


@pytest.mark.parametrize("consent", ["train", "eval"])
def test_trace_that_may_pass(make_trace, consent):
    assert refusal(make_trace(consent=consent)) is None


@pytest.mark.parametrize(
    ("overrides", "gate", "rule"),
    [
        ({"consent": "none"}, "consent", "consent-none"),
        ({"consent": "unknown"}, "consent", "consent-unknown"),
        ({"region": ""}, "region", "region-missing"),
        ({"region": "cn-north-1"}, "region", "region-not-allowed"),
        ({"region": "eu-west-1,us-east-1"}, "region", "region-conflict"),
        ({"confidentiality": ""}, "confidentiality", "class-missing"),
        ({"confidentiality": "unknown"}, "confidentiality", "class-unknown"),
        ({"confidentiality": "confidential"}, "confidentiality", "class-confidential"),
        ({"confidentiality": "restricted"}, "confidentiality", "class-restricted"),
        ({"consent": "none", "region": "", "confidentiality": ""}, "consent", "consent-none"),
    ],
)
def test_refusals(make_trace, overrides, gate, rule):
    assert refusal(make_trace(**overrides)) == (gate, rule, "stopped")


def test_defaults_of_the_source_fill_gaps_only(make_trace):
    defaults = {"region_default": "EU-West-1", "confidentiality_default": "internal"}
    trace = make_trace(region="", confidentiality="")
    assert refusal(trace, **defaults) is None
    assert (trace.region, trace.confidentiality) == ("eu-west-1", "internal")
    assert refusal(make_trace(region="cn-north-1"), **defaults) == ("region", "region-not-allowed", "stopped")
    assert refusal(make_trace(confidentiality="unknown"), **defaults) == ("confidentiality", "class-unknown", "stopped")


def test_higher_class_when_configured(make_trace):
    assert refusal(make_trace(confidentiality="confidential"), max_confidentiality="confidential") is None


def test_pii_is_masked_in_every_field(make_trace):
    mail = "write to bob@example.com"
    trace = make_trace(
        question=mail, answer=mail, contexts=["x", mail], messages=[{"role": "system", "content": mail}, {"role": "user", "content": "y"}]
    )
    decisions = pii_gate(trace, GovernConfig(pii_action="mask"))
    assert [(d.gate, d.rule, d.action) for d in decisions] == [("pii", "pii-email", "masked")]
    masked = "write to <EMAIL_1>"
    assert (trace.question, trace.answer, trace.contexts) == (masked, masked, ["x", masked])
    assert trace.messages == [{"role": "system", "content": masked}, {"role": "user", "content": "y"}]


def test_pii_drops_the_trace_when_configured(make_trace):
    (decision,) = pii_gate(make_trace(answer="bob@example.com"), GovernConfig(pii_action="drop"))
    assert (decision.rule, decision.action) == ("pii-email", "stopped")


@pytest.mark.parametrize(
    "answer", ["my password is Tr0ub4dor&3", "SSN 078-05-1120", "card 4111 1111 1111 1111", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"]
)
def test_grave_kinds_drop_the_trace_where_others_are_masked(make_trace, answer):
    (decision,) = pii_gate(make_trace(answer=f"{answer} and bob@example.com"), GovernConfig(pii_action="mask"))
    assert decision.action == "stopped" and decision.rule in ("pii-secret", "pii-national_id", "pii-card")
    trace = make_trace(answer=f"{answer} and bob@example.com")
    decisions = pii_gate(trace, GovernConfig(pii_action="mask", pii_always_drop=()))
    assert {decision.action for decision in decisions} == {"masked"} and "<EMAIL_1>" in trace.answer


@pytest.mark.parametrize("action", ["mask", "drop"])
def test_a_search_that_overflows_stops_the_trace(make_trace, action):
    trace = make_trace(question=" ".join(f"My name is A{chr(97 + i // 26)}{chr(97 + i % 26)}x Person." for i in range(80)))
    (decision,) = pii_gate(trace, GovernConfig(pii_action=action))
    assert (decision.rule, decision.action) == ("pii-overflow", "stopped")


def test_clean_trace_is_left_alone(make_trace):
    assert pii_gate(make_trace(), GovernConfig()) == []
