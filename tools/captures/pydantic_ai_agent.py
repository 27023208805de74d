"""Pydantic AI under its own instrumentation, in several versions of its data format.

Claims: `metadata` of the agent (JSON on the agent's span); in format 1 of the older package attributes of the
application's span. User and session on the application's span.
"""

# /// script
# dependencies = ["opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk"]
# [tool.captures]
# pydantic_ai_v1 = ["pydantic-ai-slim[openai]==1.20.0", "opentelemetry-api==1.38.0", "openai<3"]
# pydantic_ai_v2 = ["pydantic-ai-slim[openai]==2.68.0"]
# pydantic_ai_v5 = ["pydantic-ai-slim[openai]==2.68.0"]
# pydantic_ai_v6 = ["pydantic-ai-slim[openai]==2.68.0"]
# ///

import asyncio
import os
import warnings

from conversation import CLAIMS, HISTORY, PICTURE, PICTURE_QUESTION, QUESTION, SESSION, SYSTEM, USER, trace_to_receiver
from opentelemetry import trace
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel

warnings.simplefilter("ignore")
VERSION = int(os.environ["CAPTURE"][-1])
provider = trace_to_receiver()
Agent.instrument_all(InstrumentationSettings(version=VERSION))
extra = {"metadata": CLAIMS} if VERSION > 1 else {}
model = OpenAIChatModel("gpt-4o", settings={"temperature": 0.2})


class Weather(BaseModel):
    """Weather"""  # noqa: D400, D415

    city: str
    degrees: int


def get_weather(city: str) -> dict[str, object]:
    """Get weather"""  # noqa: D400, D415
    return {"degrees": 21, "sky": "sunny"}


agent = Agent(model, instructions=SYSTEM, tools=[get_weather], name="weather", **extra)
history = [
    ModelRequest([UserPromptPart(HISTORY[0]["content"])]),
    ModelResponse([TextPart(HISTORY[1]["content"])]),
]
picture = BinaryContent.from_data_uri(PICTURE)
plain = Agent(model, instructions=SYSTEM, name="plain", **extra)
typed = Agent(model, instructions=SYSTEM, output_type=Weather, name="typed", **extra)


async def stream() -> None:
    """The agent, its answer in pieces."""
    async with agent.run_stream(QUESTION, message_history=history) as result:
        await result.get_output()


TRACES = {
    "agent": lambda: agent.run(QUESTION, message_history=history),
    "agent-stream": stream,
    "object": lambda: typed.run(QUESTION),
    "picture": lambda: plain.run([PICTURE_QUESTION, picture]),
}
claims = {"user.id": USER, "session.id": SESSION} | (CLAIMS if VERSION == 1 else {})


async def main() -> None:
    """All traces."""
    for name, work in TRACES.items():
        with trace.get_tracer("app").start_as_current_span(name, attributes=claims):
            await work()


asyncio.run(main())
provider.shutdown()
