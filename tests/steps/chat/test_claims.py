from __future__ import annotations

import pytest

from steps.chat.claims import confidentiality_of, consent_of, region_of


@pytest.mark.parametrize("value", ["train", "TRAINING", "true", True, '"train"', "granted", "opt_in", "Opt-In", "yes", " train "])
def test_words_for_training(make_span, value):
    assert consent_of([make_span(attributes={"ctp.consent": value})]) == "train"


@pytest.mark.parametrize(
    "key", ["ctp.consent", "consent", "user_consent", "langfuse.trace.metadata.consent", "metadata.consent", "app.consent.training"]
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
