"""One GenAI span a chat request, as the training pipeline will read it.

Source:
    https://github.com/open-telemetry/semantic-conventions-genai (schema 1.42.0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from steps.cluster.telemetry import caller_context

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from steps.serve.model.openai_api import ChatRequest
    from steps.serve.model.rows import Row
    from steps.serve.model.sampling import Sampling

PROVIDER = "ctp"
BAGGAGE_ATTRIBUTES = {
    "consent": "ctp.consent",
    "region": "ctp.region",
    "confidentiality": "ctp.confidentiality",
    "user.id": "user.id",
    "session.id": "session.id",
}


def _text_messages(messages: Sequence[Mapping[str, str]]) -> str:
    """Messages in the convention's parts shape, as one JSON text."""
    shaped: list[dict[str, Any]] = []
    for message in messages:
        ending = {"finish_reason": message["finish_reason"]} if "finish_reason" in message else {}
        shaped.append({"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]} | ending)
    return orjson.dumps(shaped).decode()


class ChatSpan:
    """The server span of one request; nothing is exported before `end`."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._ended = False

    def record_request(self, request: ChatRequest, sampling: Sampling) -> None:
        """Put down what was asked, with the values in effect."""
        attributes: dict[str, Any] = {
            "gen_ai.request.temperature": sampling.temperature,
            "gen_ai.request.max_tokens": sampling.max_tokens,
            "gen_ai.request.top_p": sampling.top_p,
            "gen_ai.input.messages": _text_messages(request.conversation()),
        }
        if sampling.seed is not None:
            attributes["gen_ai.request.seed"] = sampling.seed
        if sampling.stop:
            attributes["gen_ai.request.stop_sequences"] = list(sampling.stop)
        if request.count > 1:
            attributes["gen_ai.request.choice.count"] = request.count
        self._span.set_attributes(attributes)

    def record_answer(self, response_id: str, rows: Sequence[Row]) -> None:
        """Put down what was answered; rows are finished."""
        outputs = [{"role": "assistant", "content": row.text, "finish_reason": row.finish_reason} for row in rows]
        self._span.set_attributes(
            {
                "gen_ai.response.id": response_id,
                "gen_ai.response.finish_reasons": [row.finish_reason for row in rows],
                "gen_ai.response.time_to_first_chunk": max(0.0, min(row.first_at for row in rows) - rows[0].came_at),
                "gen_ai.usage.input_tokens": len(rows[0].prompt),
                "gen_ai.usage.output_tokens": sum(len(row.tokens) for row in rows),
                "gen_ai.output.messages": _text_messages(outputs),
            }
        )

    def record_failure(self, kind: str) -> None:
        """Put down that there is no answer; `kind` is a short class of error, never a text of the request."""
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR, kind))

    def end(self) -> None:
        """Finish and export; a second call does nothing."""
        if not self._ended:
            self._ended = True
            self._span.end()


class ChatSpans:
    """Tracer of one server's chat requests.

    Args:
        provider: where they go.
        model: served model name, requested and answered.
    """

    def __init__(self, provider: TracerProvider, model: str) -> None:
        self._tracer = provider.get_tracer("ctp.serve")
        self._model = model

    def begin(self, headers: Mapping[str, str]) -> ChatSpan:
        """Open a span below the caller's, with the tags that the caller's baggage hands on."""
        from opentelemetry import baggage
        from opentelemetry.trace import SpanKind

        context = caller_context(headers)
        tags = {BAGGAGE_ATTRIBUTES[key]: str(value) for key, value in baggage.get_all(context).items() if key in BAGGAGE_ATTRIBUTES}
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": self._model,
            "gen_ai.response.model": self._model,
        }
        return ChatSpan(self._tracer.start_span(f"chat {self._model}", context=context, kind=SpanKind.SERVER, attributes=attributes | tags))
