"""Records that readers pass to assembly: spans, scores and places that could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Span:
    """One OTLP span, or one Langfuse observation under the same names.

    Attributes:
        trace_id: 32 hex digits (OTLP), or the source's own id.
        span_id: unique within the trace; "" for a Langfuse trace row.
        parent_id: "" for a root.
        name: span name.
        start_ns: Unix nanoseconds; 0 when unknown.
        end_ns: Unix nanoseconds; 0 when unknown.
        attributes: plain Python values by attribute name.
        events: (name, attributes) in order.
        resource: attributes of the service that emitted the span.
        error: the span ended in an error.
        source: "otlp" or "langfuse".
        uri: the file it came from.
        offset: line number or row number in that file, from 1.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    error: bool = False
    source: str = "otlp"
    uri: str = ""
    offset: int = 0


@dataclass(slots=True)
class Score:
    """A score that the source keeps apart from its spans.

    Attributes:
        trace_id: the trace that it is about.
        value: the verdict, 0-1; None when the score is no verdict of a user.
        at_ns: when it was given, Unix nanoseconds; 0 when unknown.
        uri: the file it came from.
        offset: line number or row number in that file, from 1.
        score_id: the source's id of it; "" without one.
        name: what it measures.
        observation_id: the span that it is about; "" for the whole trace.
        label: category or flag as the source writes it; never free text.
        source: who gave it: "API", "ANNOTATION", "EVAL", …; "" when unknown.
        author: who gave it, as the source has it; the lake stores only the keyed hash.
    """

    trace_id: str
    value: float | None
    at_ns: int
    uri: str = ""
    offset: int = 0
    score_id: str = ""
    name: str = "user_feedback"
    observation_id: str = ""
    label: str = ""
    source: str = ""
    author: str = ""


@dataclass(slots=True)
class Unreadable:
    """A line, row or file that could not be read, with the reason as one word. Holds no text."""

    uri: str
    offset: int
    reason: str


Record = Span | Score | Unreadable
