"""One assembled trace: a question, what the model saw, and its answer.

Every source format becomes this record, and every gate reads nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

MODEL_NAME_LIMIT = 64


@dataclass(slots=True)
class Trace:
    """One request of a user and the answer to it.

    Attributes:
        trace_id: 32 hex digits, or the source's own id.
        source: "otlp" or "langfuse".
        source_uri: the file that held the answer.
        ts: when the trace started, UTC.
        model: name of the model that answered, a partition value of at most 64 characters.
        model_version: version of the served model; "" when unknown.
        consent: "train", "eval" or "none": the strictest of any span.
        region: where the data was produced; "" when unknown, values joined by "," when spans disagree.
        confidentiality: "public", "internal", "confidential", "restricted", "" when unknown.
        user_id: as the source has it; the lake stores only its keyed hash.
        session_id: conversation the trace belongs to; "" when unknown.
        question: the user's question alone.
        messages: what the model saw, as {"role", "content"} with text contents.
        contexts: retrieved passages, in retrieval order.
        answer: the model's answer.
        feedback: the user's verdict, 1 up to 0 down; None without one.
        input_tokens: prompt length in tokens; 0 when unknown.
        output_tokens: answer length in tokens; 0 when unknown.
        latency_ms: duration of the generation.
        finish_reason: why generation stopped; "" when unknown.
        status: "ok" or "error".
        environment: deployment environment; "" when unknown.
    """

    trace_id: str
    source: str = "otlp"
    source_uri: str = ""
    ts: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    model: str = "unknown"
    model_version: str = ""
    consent: str = "none"
    region: str = ""
    confidentiality: str = ""
    user_id: str = ""
    session_id: str = ""
    question: str = ""
    messages: list[dict[str, str]] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    answer: str = ""
    feedback: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: float = 0.0
    finish_reason: str = ""
    status: str = "ok"
    environment: str = ""


def model_partition(name: str) -> str:
    """A model name as a partition value: at most 64 of `A-Za-z0-9._-`, "unknown" when empty.

    A provider prefix and slashes stay readable: `org/Model 4B` becomes `org-Model-4B`.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name.strip()).strip("-.")
    return safe[:MODEL_NAME_LIMIT] or "unknown"
