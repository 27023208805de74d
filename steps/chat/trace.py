"""One assembled trace: who, when, which claims, its model calls, and which of them was the answer.

Every source format becomes this record, and every gate reads nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from steps.chat.answer import AnswerSource
from steps.chat.generation import Generation
from steps.chat.messages import Message

MODEL_NAME_LIMIT = 64


@dataclass(slots=True)
class Trace:
    """One request of a user, the model calls that it took, and the answer to it.

    Attributes:
        trace_id: 32 hex digits, or the source's own id.
        source: "otlp" or "langfuse".
        source_uri: a file that held the answer.
        ts: when the trace started, UTC.
        model: name of the model that answered, a partition value of at most 64 characters.
        model_name: full name of the model that answered.
        model_version: version of the served model; "" when unknown.
        consent: "train", "eval", "none" or "unknown": the strictest of any claim.
        consents: every consent level that was claimed; () without a claim.
        withdrawn: one claim permits and another refuses.
        claim_places: keys that made a claim.
        claim_keys: keys that looked like claims but stand under no known prefix.
        region: where the data was produced; "" when unknown, values joined by "," when spans disagree.
        confidentiality: "public", "internal", "confidential", "restricted", "unknown", "" without a claim.
        user_id: as the source has it; the lake stores only its keyed hash.
        session_id: conversation the trace belongs to; "" when unknown.
        question: the user's question alone.
        contexts: evidence: retrieved passages in retrieval order, then results of tools.
        generations: model calls in the order of time.
        answer_span_id: the generation that was the answer; "" when no rule names one.
        answer_source: the rule that named it.
        feedback: the user's verdict, 1 up to 0 down; None without one.
        status: "ok" or "error", of the answer.
        environment: deployment environment; "" when unknown.
    """

    trace_id: str
    source: str = "otlp"
    source_uri: str = ""
    ts: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    model: str = "unknown"
    model_name: str = ""
    model_version: str = ""
    consent: str = "none"
    consents: tuple[str, ...] = ()
    withdrawn: bool = False
    claim_places: tuple[str, ...] = ()
    claim_keys: tuple[str, ...] = ()
    region: str = ""
    confidentiality: str = ""
    user_id: str = ""
    session_id: str = ""
    question: str = ""
    contexts: list[str] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)
    answer_span_id: str = ""
    answer_source: AnswerSource = "none"
    feedback: float | None = None
    status: str = "ok"
    environment: str = ""

    @property
    def answer_generation(self) -> Generation | None:
        """The call that was the answer."""
        return (
            next((item for item in self.generations if item.span_id == self.answer_span_id), None) if self.answer_source != "none" else None
        )

    @property
    def answer(self) -> str:
        """Words of the answer; "" without one."""
        generation = self.answer_generation
        return generation.text if generation else ""

    @property
    def messages(self) -> list[Message]:
        """Prompt of the answer."""
        generation = self.answer_generation
        return generation.messages if generation else []

    @property
    def finish_reason(self) -> str:
        """Why the answer's generation stopped; "unknown" without an answer."""
        generation = self.answer_generation
        return generation.finish_reason if generation else "unknown"

    @property
    def latency_ms(self) -> float:
        """Duration of the answer's generation; 0 when a time is unknown."""
        generation = self.answer_generation
        return generation.latency_ms if generation else 0.0

    @property
    def input_tokens(self) -> int:
        """Prompt tokens of all model calls; 0 when unknown."""
        return sum(generation.usage.input for generation in self.generations)

    @property
    def output_tokens(self) -> int:
        """Answer tokens of all model calls; 0 when unknown."""
        return sum(generation.usage.output for generation in self.generations)


def model_partition(name: str) -> str:
    """A model name as a partition value: at most 64 of `A-Za-z0-9._-`, "unknown" when empty.

    A provider prefix and slashes stay readable: `org/Model 4B` becomes `org-Model-4B`.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name.strip()).strip("-.")
    return safe[:MODEL_NAME_LIMIT] or "unknown"
