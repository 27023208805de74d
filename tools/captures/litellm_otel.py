"""LiteLLM with its callback `otel`: the agent by `litellm.acompletion` below a span of the application.

Claims: version 1 writes `metadata.requester_metadata`. Version 2 stamps OTel baggage below `litellm.metadata.` on every
span; the proxy puts the allowed keys of a request's metadata there, without a proxy this script does. The user as `user`.
"""

# /// script
# dependencies = ["litellm==1.110.2", "opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2"]
# [tool.captures]
# litellm_v1 = []
# litellm_v1_alone = []
# litellm_v2 = []
# ///

import asyncio
import os
from contextlib import nullcontext
from threading import Thread
from types import SimpleNamespace

NAME = os.environ["CAPTURE"]
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
    "LITELLM_OTEL_V2": str(NAME == "litellm_v2").lower(),
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    # Else version 1 writes a call's attributes on the application's span and ends that.
    "USE_OTEL_LITELLM_REQUEST_SPAN": "true",
}

import litellm
from conversation import CLAIMS, SESSION, USER, trace_to_receiver
from openai_client import TRACES
from opentelemetry import baggage, context, trace

provider = trace_to_receiver()
litellm.callbacks = ["otel"]


def claim() -> dict[str, object]:
    """Metadata of one call; LiteLLM writes into it."""
    return {"requester_metadata": CLAIMS, "session_id": SESSION}


loop = asyncio.new_event_loop()
Thread(target=loop.run_forever, daemon=True).start()


async def complete(**body: object) -> object:
    """One call; LiteLLM's callbacks run on this loop a moment after it."""
    answer = await litellm.acompletion(user=USER, metadata=claim(), **body)
    if body.get("stream"):
        answer = [chunk async for chunk in answer]
    await asyncio.sleep(0.5)
    return answer


def create(**body: object) -> object:
    """LiteLLM's function in the place of OpenAI's."""
    return asyncio.run_coroutine_threadsafe(complete(**body), loop).result()


client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
if NAME == "litellm_v2":
    for key, value in CLAIMS.items():
        context.attach(baggage.set_baggage(f"litellm.metadata.{key}", value))
for name, work in TRACES.items():
    with nullcontext() if NAME == "litellm_v1_alone" else trace.get_tracer("app").start_as_current_span(name):
        work(client)
provider.shutdown()
