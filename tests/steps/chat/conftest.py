"""Factories of spans, OTLP documents and Langfuse rows."""

from __future__ import annotations

import json

import pytest

from steps.chat.span import Span

T0 = 1_780_000_000 * 10**9


def make_span(name="chat agent-model", span_id="03" * 8, parent_id="", *, start_s=0.0, end_s=1.0, **given):
    attributes = given.pop("attributes", {})
    fixed = {
        "trace_id": "ab" * 16,
        "start_ns": T0 + int(start_s * 1e9),
        "end_ns": T0 + int(end_s * 1e9),
        "uri": "file:///a.jsonl",
        "offset": 1,
    }
    return Span(name=name, span_id=span_id, parent_id=parent_id, attributes=attributes, **{**fixed, **given})


def parts(role, text, **more):
    return {"role": role, "parts": [{"type": "text", "content": text}], **more}


def any_value(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}


def pairs(attributes):
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def otlp_document(*spans, resource=None):
    """TracesData with spans given as dictionaries; `attributes` of a span are plain values."""
    told = [
        {
            "traceId": "ab" * 16,
            "startTimeUnixNano": str(T0),
            "endTimeUnixNano": str(T0 + 10**9),
            **span,
            "attributes": pairs(span.get("attributes", {})),
        }
        for span in spans
    ]
    return {"resourceSpans": [{"resource": {"attributes": pairs(resource or {})}, "scopeSpans": [{"spans": told}]}]}


def langfuse_row(**overrides):
    row = {
        "id": "o1",
        "trace_id": "t-1",
        "project_id": "p",
        "parent_observation_id": "",
        "type": "GENERATION",
        "name": "answer",
        "level": "DEFAULT",
        "environment": "production",
        "start_time": "2026-08-01 10:00:00.000000",
        "end_time": "2026-08-01 10:00:02.500000",
        "user_id": "u1",
        "session_id": "s1",
        "input": json.dumps([{"role": "user", "content": "Context:\n- A is 1.\nQuestion: What is A?"}]),
        "output": json.dumps({"role": "assistant", "content": "1."}),
        "metadata": {"consent": "train", "region": "eu-west-1", "confidentiality": "internal"},
        "provided_model_name": "agent-model",
        "usage_details": {"input": 12, "output": 3},
        "tags": [],
    }
    return {**row, **overrides}


@pytest.fixture(name="make_span")
def _make_span():
    return make_span


@pytest.fixture(name="parts")
def _parts():
    return parts


@pytest.fixture(name="otlp_document")
def _otlp_document():
    return otlp_document


@pytest.fixture(name="langfuse_row")
def _langfuse_row():
    return langfuse_row
