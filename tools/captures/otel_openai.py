"""OpenAI's client under OpenTelemetry's own instrumentation: messages on the span, in log records, or in both.

Claims: attributes of the application's span; OpenTelemetry has no other place.
"""

# /// script
# dependencies = ["openai==3.57.0", "httpx", "opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2"]
# [tool.captures]
# otel_openai_logs = ["opentelemetry-instrumentation-openai-v2==2.4b0", "opentelemetry-util-genai==0.4b0"]
# otel_openai_span = ["opentelemetry-instrumentation-openai-v2==2.4b0", "opentelemetry-util-genai==0.4b0"]
# otel_openai_event = ["opentelemetry-instrumentation-openai-v2==2.4b0", "opentelemetry-util-genai==0.4b0"]
# otel_genai_openai = ["opentelemetry-instrumentation-genai-openai==1.3b0", "opentelemetry-util-genai==1.3b0"]
# ///

import os

NAME = os.environ["CAPTURE"]
CONTENT = {
    "otel_openai_logs": "true",
    "otel_openai_span": "span_only",
    "otel_openai_event": "event_only",
    "otel_genai_openai": "span_and_event",
}
os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = CONTENT[NAME]
if NAME != "otel_openai_logs":
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"

from conversation import CLAIMS, SESSION, USER, trace_to_receiver
from openai import OpenAI
from openai_client import TRACES
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

if NAME == "otel_genai_openai":
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
else:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

provider = trace_to_receiver()
logs = LoggerProvider(resource=Resource.create({"service.name": "weather"}))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(logs)
OpenAIInstrumentor().instrument()
client = OpenAI()
for name, work in TRACES.items():
    with trace.get_tracer("app").start_as_current_span(name, attributes={"user.id": USER, "session.id": SESSION, **CLAIMS}):
        work(client)
provider.shutdown()
logs.shutdown()
