"""The conversation that every script holds, and where its spans go."""

from __future__ import annotations

import json

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SYSTEM = "You are the SYSTEMPROMPT weather agent."
HISTORY = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, how can I help?"}]
QUESTION = "What is the weather in Seoul today?"
PICTURE_QUESTION = "What is in this picture?"
PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = json.dumps({"degrees": 21, "sky": "sunny"})
CLAIMS = {"consent": "train", "region": "eu-west-1", "confidentiality": "internal"}
USER = "user-1"
SESSION = "sess-1"

MESSAGES = [{"role": "system", "content": SYSTEM}, *HISTORY, {"role": "user", "content": QUESTION}]
PICTURE_MESSAGES = [
    {"role": "system", "content": SYSTEM},
    {
        "role": "user",
        "content": [{"type": "text", "text": PICTURE_QUESTION}, {"type": "image_url", "image_url": {"url": PICTURE}}],
    },
]
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Get weather", "parameters": PLACE}}]
OBJECT = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
OBJECT_FORMAT = {"type": "json_schema", "json_schema": {"name": "weather", "strict": True, "schema": OBJECT}}


def trace_to_receiver() -> TracerProvider:
    """The global tracer provider; its exporter reads OTEL_EXPORTER_OTLP_ENDPOINT."""
    provider = TracerProvider(resource=Resource.create({"service.name": "weather"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
