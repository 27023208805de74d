"""Factories of scored traces and of lake rows."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from steps.contract.files import canonical_json, sha256_text
from steps.curate.pairs import ScoredTrace


def make_trace(trace_id="t1", question="What port?", contexts=("Aurora listens on port 8443.",), answer="8443.", score=0.9, **overrides):
    messages = ({"role": "user", "content": question},)
    given = {"model": "agent-model", "model_version": "", "messages": messages, "contexts": tuple(contexts), **overrides}
    key = sha256_text(canonical_json([list(given["messages"]), list(given["contexts"])]))
    return ScoredTrace(trace_id=trace_id, question=question, answer=answer, score=score, **{"prompt_key": key, **given})


@pytest.fixture(name="make_trace")
def _make_trace():
    return make_trace


@pytest.fixture
def trace_row():
    """One row of the lake's `traces` from a scored trace."""

    def make(trace, consent="train", status="ok"):
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return {
            "trace_id": trace.trace_id,
            "source": "otlp",
            "ts": at,
            "date": date(2026, 1, 1),
            "model": trace.model,
            "model_version": trace.model_version,
            "consent": consent,
            "question": trace.question,
            "messages_json": json.dumps(list(trace.messages)),
            "contexts_json": json.dumps(list(trace.contexts)),
            "answer": trace.answer,
            "status": status,
            "content_hash": content_hash(trace),
            "prompt_key": trace.prompt_key,
            "ingest_batch": "b",
            "ingested_at": at,
        }

    return make


@pytest.fixture
def label_row():
    """One row of the lake's `labels` from a scored trace."""

    def make(trace, policy="p1", **overrides):
        row = {
            "trace_id": trace.trace_id,
            "policy_version": policy,
            "content_hash": content_hash(trace),
            "score": trace.score,
            "status": "scored",
        }
        return row | {"label_batch": "b", **overrides}

    return make


def content_hash(trace):
    return sha256_text(canonical_json([list(trace.messages), list(trace.contexts), trace.answer]))
