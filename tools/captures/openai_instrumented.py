"""OpenAI's client under instrumentations of that client: OpenInference, Traceloop, both at once.

Claims: OpenInference `using_attributes` with metadata; Traceloop `set_association_properties`; both of them where both run.
"""

# /// script
# dependencies = ["openai==3.57.0", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"]
# [tool.captures]
# openinference_openai = ["openinference-instrumentation-openai==0.1.66"]
# traceloop_openai = ["traceloop-sdk==0.62.4", "httpx"]
# openinference_and_traceloop_openai = ["openinference-instrumentation-openai==0.1.66", "traceloop-sdk==0.62.4", "httpx"]
# ///

import os
from collections.abc import Callable
from contextlib import nullcontext

from conversation import CLAIMS, SESSION, USER, trace_to_receiver
from openai import OpenAI
from openai_client import TRACES
from opentelemetry import trace

NAME = os.environ["CAPTURE"]
scope = nullcontext
decorate = None

if "traceloop" in NAME:
    os.environ["TRACELOOP_TELEMETRY"] = "false"
    from traceloop.sdk import Traceloop
    from traceloop.sdk.decorators import workflow
    from traceloop.sdk.instruments import Instruments

    Traceloop.init("weather", api_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], instruments={Instruments.OPENAI})
    Traceloop.set_association_properties({"user_id": USER, "session_id": SESSION, **CLAIMS})
    provider = trace.get_tracer_provider()
    decorate = workflow
else:
    provider = trace_to_receiver()

if "openinference" in NAME:
    from openinference.instrumentation import using_attributes
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)

    def scope() -> using_attributes:
        """What every span inside is told."""
        return using_attributes(user_id=USER, session_id=SESSION, metadata=CLAIMS)


client = OpenAI()


def run(name: str, work: Callable[[OpenAI], str]) -> str:
    """One trace with a span of the application around it."""
    if decorate:
        return decorate(name=name)(work)(client)
    with trace.get_tracer("app").start_as_current_span(name):
        return work(client)


for trace_name, trace_work in TRACES.items():
    with scope():
        run(trace_name, trace_work)
provider.force_flush()
