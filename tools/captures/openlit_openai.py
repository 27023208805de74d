"""OpenAI's client under OpenLIT.

Claims: attributes of the application's span.
"""

# /// script
# dependencies = ["openlit==1.45.0", "openai", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "httpx"]
# [tool.captures]
# openlit_openai = []
# ///

import openlit
from conversation import CLAIMS, SESSION, USER, trace_to_receiver
from openai import OpenAI
from openai_client import TRACES
from opentelemetry import trace

provider = trace_to_receiver()
tracer = trace.get_tracer("app")
openlit.init(disable_metrics=True, application_name="weather", capture_message_content=True)
client = OpenAI()
for name, work in TRACES.items():
    with tracer.start_as_current_span(name, attributes={"user.id": USER, "session.id": SESSION, **CLAIMS}):
        work(client)
provider.shutdown()
