"""Records that readers pass to assembly: spans, log events, scores and places that could not be read."""

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
        kind: kind of its work once `steps.chat.span_kind` has looked; None before.
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
    kind: str | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class LogEvent:
    """A log record that instrumentation wrote instead of an event of its span; it joins the span by both ids.

    Attributes:
        trace_id: 32 hex digits.
        span_id: of the span that it belongs to; "" when the log does not say.
        name: event name, such as gen_ai.client.inference.operation.details.
        attributes: plain Python values by attribute name.
        body: plain Python value; None without one.
        at_ns: Unix nanoseconds; 0 when unknown.
        resource: attributes of the service that wrote it.
        uri: the file it came from.
        offset: line number or message number in that file, from 1.
    """

    trace_id: str
    span_id: str
    name: str
    attributes: dict[str, Any]
    body: Any = None
    at_ns: int = 0
    resource: dict[str, Any] = field(default_factory=dict)
    uri: str = ""
    offset: int = 0


@dataclass(slots=True)
class Score:
    """A score that the source keeps apart from its spans. What it means is for the rules of `steps.chat.feedback`.

    Attributes:
        trace_id: "" for a score of a session alone.
        at_ns: Unix nanoseconds of the score itself; 0 when unknown.
        uri: the file it came from.
        offset: line number or row number in that file, from 1.
        score_id: the source's id; the same id, name and day is the same score again.
        name: as the source has it.
        data_type: "NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION", "" when unknown.
        number: the number; None without one, and for a type whose number says nothing (the index of a category, 0 of a text).
        label: the category's label, "True" or "False". Of TEXT and CORRECTION it is free text: gate it before it is stored.
        author: id of the person; "" for a program, and in exports, which leave it out.
        source: "API", "ANNOTATION" or "EVAL" (a model's opinion); "" when unknown.
        observation_id: the span that was scored; "" for the whole trace.
        session_id: the session that was scored; "" for a trace.
        has_comment: whether a comment stood beside it.
    """

    trace_id: str
    at_ns: int
    uri: str = ""
    offset: int = 0
    score_id: str = ""
    name: str = ""
    data_type: str = ""
    number: float | None = None
    label: str = ""
    author: str = ""
    source: str = ""
    observation_id: str = ""
    session_id: str = ""
    has_comment: bool = False


@dataclass(slots=True)
class Unreadable:
    """A line, row or file that could not be read, with the reason as one word. Holds no text.

    `count` is above 1 only for a row that stands for many: `too-many-unreadable`, `other-signal`.
    """

    uri: str
    offset: int
    reason: str
    count: int = 1


Record = Span | LogEvent | Score | Unreadable
