from __future__ import annotations

import pytest

from steps.chat.claims import claims_of


def consent_of(spans):
    return claims_of(spans).consent


def region_of(spans):
    return claims_of(spans).region


def confidentiality_of(spans):
    return claims_of(spans).confidentiality


@pytest.mark.parametrize("value", ["train", "TRAINING", "true", True, '"train"', "granted", "opt_in", "Opt-In", "yes", " train "])
def test_words_for_training(make_span, value):
    assert consent_of([make_span(attributes={"ctp.consent": value})]) == "train"


@pytest.mark.parametrize(
    "key",
    ["ctp.consent", "consent", "user_consent", "langfuse.trace.metadata.consent", "metadata.consent", "app.consent.training"]
    + ["ai.telemetry.metadata.consent", "ai.settings.context.consent", "traceloop.association.properties.consent"]
    + ["attributes.ai.telemetry.metadata.consent", "langfuse.observation.metadata.gdpr_consent", "langfuse.metadata.userConsent"],
)
def test_where_consent_stands(make_span, key):
    assert consent_of([make_span(attributes={key: "train"})]) == "train"


@pytest.mark.parametrize(
    "attributes",
    [
        {"langfuse.trace.metadata": '{"consent":"train"}'},
        {"metadata": '{"user_consent": true}'},
        {"langfuse.trace.tags": ["x", "consent:train"]},
        {"tags": '["consent=train"]'},
        {"metadata.requester_metadata": "{'consent': 'train', 'region': 'eu-west-1'}"},
        {"genkit:metadata:context": '{"auth": {}, "consent": "train"}'},
        {"langfuse.trace.metadata": [{"key": "consent", "value": '"train"'}]},
    ],
)
def test_consent_in_metadata_and_tags(make_span, attributes):
    assert consent_of([make_span(attributes=attributes)]) == "train"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["train", None], "train"),
        (["train", "eval"], "eval"),
        (["eval", "evaluation"], "eval"),
        (["train", "no"], "none"),
        (["train", "withdrawn", "eval"], "none"),
        (["train", "maybe"], "unknown"),
        (["train", "{}"], "unknown"),
        ([None, None], "none"),
        ([False], "none"),
    ],
)
def test_strictest_of_all_spans_counts(make_span, values, expected):
    spans = [make_span(span_id=str(i), attributes={} if value is None else {"ctp.consent": value}) for i, value in enumerate(values)]
    assert consent_of(spans) == expected


def test_two_claims_on_one_span_count_both(make_span):
    assert consent_of([make_span(attributes={"ctp.consent": "train", "langfuse.trace.metadata.consent": '"none"'})]) == "none"


def test_region_agrees_or_conflicts(make_span):
    a, b = make_span(attributes={"ctp.region": "EU-West-1"}), make_span(attributes={"region": "us-east-1"})
    assert region_of([a]) == "eu-west-1"
    assert region_of([a, b]) == "eu-west-1,us-east-1"


def test_region_of_the_machine_counts_only_when_no_span_says(make_span):
    machine = make_span(resource={"cloud.region": "us-east-1"})
    assert region_of([machine]) == "us-east-1"
    assert region_of([machine, make_span(attributes={"ctp.region": "eu-west-1"})]) == "eu-west-1"
    assert region_of([make_span()]) == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["public", "internal"], "internal"), (["Public", "restricted"], "restricted"), (["public", "secret"], "unknown"), ([], "")],
)
def test_strictest_class_counts(make_span, values, expected):
    assert confidentiality_of([make_span(attributes={"ctp.confidentiality": value}) for value in values] or [make_span()]) == expected


REFUSALS = [
    {"opt_out": True},
    {"langfuse.trace.metadata.opt_out": "true"},
    {"gdpr_consent": "no"},
    {"do_not_train": True},
    {"doNotTrain": "yes"},
    {"consent_status": "withdrawn"},
    {"langfuse.trace.tags": ["beta", "no-training"]},
    {"tags": "x,do-not-train"},
    {"acme.tenant.opt_out": "1"},
    {"metadata": '{"training": {}, "optOut": true}'},
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("place", ["span", "resource", "redelivery"])
def test_a_refusal_anywhere_wins_over_a_permission(make_span, refusal, place):
    agreed = make_span(attributes={"ctp.consent": "train"})
    if place == "resource":
        agreed.resource = refusal
    other = make_span(span_id="09", attributes=refusal if place != "resource" else {})
    claims = claims_of([agreed, other])
    assert (claims.consent, claims.withdrawn) == ("none", True)


@pytest.mark.parametrize("flag", [{"opt_out": False}, {"do_not_train": "no"}, {"opt_out": ""}])
def test_a_refusal_flag_that_is_down_claims_nothing(make_span, flag):
    assert consent_of([make_span(attributes={"ctp.consent": "train", **flag})]) == "train"
    assert consent_of([make_span(attributes=flag)]) == "none"


def test_a_class_on_a_resource_counts(make_span):
    span = make_span(attributes={"confidentiality": "internal"}, resource={"classification": "restricted"})
    assert confidentiality_of([span]) == "restricted"


def test_a_permission_under_an_unknown_prefix_is_named_and_does_not_count(make_span):
    claims = claims_of([make_span(attributes={"acme.meta.consent": "train"})])
    assert (claims.consent, claims.unlisted) == ("none", ("acme.meta.consent",))


def test_user_and_session_come_from_the_sdk_channel(make_span):
    spans = [
        make_span(attributes={"ai.telemetry.metadata.userId": "u1", "ai.telemetry.metadata.sessionId": "s1"}),
        make_span(attributes={"gen_ai.conversation.id": "other"}),
    ]
    claims = claims_of(spans)
    assert (claims.user_id, claims.session_id) == ("u1", "s1")
