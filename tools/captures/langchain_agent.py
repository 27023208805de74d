"""LangChain (LCEL with a bound tool, structured output, a picture) and LangGraph under one or two instrumentations.

Claims: OpenInference `using_attributes` with metadata; Traceloop takes them from the `metadata` of LangChain's config.
"""

# /// script
# dependencies = ["langchain==1.5.2", "langchain-openai==1.7.4", "langgraph==1.2.24", "opentelemetry-sdk",
#   "opentelemetry-exporter-otlp-proto-http", "httpx"]
# [tool.captures]
# openinference_langchain = ["openinference-instrumentation-langchain==0.1.80"]
# openinference_langchain_and_openai = ["openinference-instrumentation-langchain==0.1.80", "openinference-instrumentation-openai==0.1.66"]
# traceloop_langchain = ["opentelemetry-instrumentation-langchain==0.62.4"]
# traceloop_langchain_and_openai = ["opentelemetry-instrumentation-langchain==0.62.4", "opentelemetry-instrumentation-openai==0.62.4"]
# openinference_langchain_traceloop_openai = ["openinference-instrumentation-langchain==0.1.80",
#   "opentelemetry-instrumentation-openai==0.62.4"]
# langfuse_langchain = ["langfuse==5.0.4"]
# ///

import os
from contextlib import nullcontext

from conversation import CLAIMS, MESSAGES, OBJECT, PICTURE_MESSAGES, QUESTION, SESSION, SYSTEM, USER, WEATHER, trace_to_receiver
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

NAME = os.environ["CAPTURE"]
scope = nullcontext
config = {"metadata": {**CLAIMS, "user_id": USER, "session_id": SESSION}}

if NAME == "langfuse_langchain":
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler

    provider = Langfuse(public_key="pk", secret_key="none", base_url=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])  # noqa: S106
    config = {
        "metadata": {**CLAIMS, "langfuse_user_id": USER, "langfuse_session_id": SESSION},
        "callbacks": [CallbackHandler()],
    }
else:
    provider = trace_to_receiver()
if "openinference_langchain" in NAME:
    from openinference.instrumentation import using_attributes
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    config = {}

    def scope() -> using_attributes:
        """What every span inside is told."""
        return using_attributes(user_id=USER, session_id=SESSION, metadata=CLAIMS)


if NAME.startswith("traceloop_langchain"):
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    LangchainInstrumentor().instrument()
if NAME == "openinference_langchain_and_openai":
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
if NAME.endswith(("traceloop_openai", "traceloop_langchain_and_openai")):
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


@tool
def get_weather(city: str) -> str:
    """Get weather"""  # noqa: D400, D415
    return WEATHER


model = ChatOpenAI(model="gpt-4o", temperature=0.2, stream_usage=True)
agent = create_agent(model, [get_weather], system_prompt=SYSTEM, name="weather")
with scope():
    agent.invoke({"messages": MESSAGES[1:]}, config)
with scope():
    for _ in agent.stream({"messages": MESSAGES[1:]}, config, stream_mode="messages"):
        pass
with scope():
    schema = {"title": "weather", "description": "Weather", **OBJECT}
    model.with_structured_output(schema, method="json_schema").invoke([("system", SYSTEM), ("user", QUESTION)], config)
with scope():
    model.invoke(PICTURE_MESSAGES, config)
getattr(provider, "force_flush", None) and provider.force_flush()
getattr(provider, "flush", None) and provider.flush()
