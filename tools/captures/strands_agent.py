"""Strands Agents under its own tracer: an agent (the model is always streamed), an object, a picture.

Claims: `trace_attributes`. The files differ in OTEL_SEMCONV_STABILITY_OPT_IN: none, the latest conventions with tool
definitions, and the same as attributes in the place of events.
"""

# /// script
# dependencies = ["strands-agents[openai,otel]==1.62.0"]
# [tool.captures]
# strands = []
# strands_latest = []
# strands_attributes = []
# ///

import base64
import os

LATEST = "gen_ai_latest_experimental,gen_ai_tool_definitions"
OPT_IN = {"strands": "", "strands_latest": LATEST, "strands_attributes": f"{LATEST},gen_ai_span_attributes_only"}
os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = OPT_IN[os.environ["CAPTURE"]]

from conversation import CLAIMS, HISTORY, PICTURE, PICTURE_QUESTION, QUESTION, SESSION, SYSTEM, USER, WEATHER, trace_to_receiver
from pydantic import BaseModel
from strands import Agent, tool
from strands.models.openai import OpenAIModel

provider = trace_to_receiver()


class Weather(BaseModel):
    """Weather"""  # noqa: D400, D415

    city: str
    degrees: int


@tool
def get_weather(city: str) -> str:
    """Get weather

    Args:
        city: The city.
    """  # noqa: D400, D415
    return WEATHER


common = {
    "model": OpenAIModel(model_id="gpt-4o", params={"temperature": 0.2}),
    "system_prompt": SYSTEM,
    "name": "weather",
    "trace_attributes": {"user.id": USER, "session.id": SESSION, **CLAIMS},
    "callback_handler": None,
}
history = [{"role": message["role"], "content": [{"text": message["content"]}]} for message in HISTORY]
picture = base64.b64decode(PICTURE.partition(",")[2])
Agent(messages=history, tools=[get_weather], **common)(QUESTION)
Agent(**common)(QUESTION, structured_output_model=Weather)
Agent(**common)([{"text": PICTURE_QUESTION}, {"image": {"format": "png", "source": {"bytes": picture}}}])
provider.shutdown()
