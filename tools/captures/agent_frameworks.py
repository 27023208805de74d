"""Agent frameworks with tracing of their own: Microsoft's Agent Framework, Google's ADK.

Claims: attributes of the application's span; neither has another place.
"""

# /// script
# dependencies = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"]
# [tool.captures]
# agent_framework = ["agent-framework-core==1.23.0", "agent-framework-openai==1.17.0"]
# google_adk = ["google-adk==2.13.0", "litellm==1.110.2"]
# ///

import asyncio
import os

os.environ |= {
    "ENABLE_SENSITIVE_DATA": "true",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
}

from conversation import CLAIMS, HISTORY, QUESTION, SESSION, SYSTEM, USER, WEATHER, trace_to_receiver
from opentelemetry import trace

provider = trace_to_receiver()


def get_weather(city: str) -> str:
    """Get weather"""  # noqa: D400, D415
    return WEATHER


async def run_agent_framework(stream: bool) -> None:
    """An agent of the Agent Framework."""
    from agent_framework import Agent, Message
    from agent_framework.observability import enable_instrumentation
    from agent_framework.openai import OpenAIChatCompletionClient

    enable_instrumentation(enable_sensitive_data=True)
    agent = Agent(OpenAIChatCompletionClient(model="gpt-4o"), SYSTEM, name="weather", tools=[get_weather])
    messages = [Message(message["role"], [message["content"]]) for message in [*HISTORY, {"role": "user", "content": QUESTION}]]
    if stream:
        async for _ in agent.run(messages, stream=True):
            pass
    else:
        await agent.run(messages)


async def run_google_adk(stream: bool) -> None:
    """An agent of the ADK, whose model is LiteLLM's."""
    from google.adk.agents import Agent
    from google.adk.agents.run_config import RunConfig, StreamingMode
    from google.adk.events import Event
    from google.adk.models.lite_llm import LiteLlm
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    runner = InMemoryRunner(Agent(name="weather", model=LiteLlm("openai/gpt-4o"), instruction=SYSTEM, tools=[get_weather]), app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id=USER, session_id=SESSION)
    for message, author in zip(HISTORY, ("user", "weather"), strict=True):
        role = "user" if author == "user" else "model"
        content = types.Content(role=role, parts=[types.Part(text=message["content"])])
        await runner.session_service.append_event(session, Event(author=author, content=content))
    config = RunConfig(streaming_mode=StreamingMode.SSE if stream else StreamingMode.NONE)
    question = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    async for _ in runner.run_async(user_id=USER, session_id=SESSION, new_message=question, run_config=config):
        pass


async def main() -> None:
    """The agent, and the same streamed."""
    run = {"agent_framework": run_agent_framework, "google_adk": run_google_adk}[os.environ["CAPTURE"]]
    for name, stream in (("agent", False), ("agent-stream", True)):
        with trace.get_tracer("app").start_as_current_span(name, attributes={"user.id": USER, "session.id": SESSION, **CLAIMS}):
            await run(stream)


asyncio.run(main())
provider.shutdown()
