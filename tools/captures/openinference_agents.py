"""Agent frameworks under OpenInference: the agent and its streamed run.

Claims: `using_attributes` with metadata.
"""

# /// script
# dependencies = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "httpx"]
# [tool.captures]
# openinference_openai_agents = ["openai-agents==0.24.0", "openinference-instrumentation-openai-agents==2.6.0"]
# openinference_smolagents = ["smolagents[openai]==1.26.0", "openinference-instrumentation-smolagents==0.1.43"]
# openinference_llamaindex = ["llama-index-core==0.14.25", "llama-index-llms-openai", "openinference-instrumentation-llama-index==4.6.1"]
# openinference_crewai = ["crewai==1.15.30", "openinference-instrumentation-crewai==1.1.21",
#   "openinference-instrumentation-openai==0.1.66"]
# ///

import asyncio
import os
from collections.abc import Callable

from conversation import CLAIMS, HISTORY, QUESTION, SESSION, SYSTEM, USER, WEATHER, trace_to_receiver
from openinference.instrumentation import using_attributes

provider = trace_to_receiver()


def run_openai_agents() -> None:
    """The OpenAI Agents SDK, by chat completions and by responses."""
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool
    from openai import AsyncOpenAI
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)

    @function_tool
    def get_weather(city: str) -> str:
        """Get weather"""  # noqa: D400, D415
        return WEATHER

    async def run() -> None:
        messages = [*HISTORY, {"role": "user", "content": QUESTION}]
        for model in (OpenAIChatCompletionsModel("gpt-4o", AsyncOpenAI()), "gpt-4o"):
            agent = Agent("weather", instructions=SYSTEM, tools=[get_weather], model=model)
            await Runner.run(agent, messages)
            async for _ in Runner.run_streamed(agent, messages).stream_events():
                pass

    asyncio.run(run())


def run_smolagents() -> None:
    """A tool-calling agent of smolagents; it has no history, and writes a system prompt of its own."""
    from openinference.instrumentation.smolagents import SmolagentsInstrumentor
    from smolagents import OpenAIModel, ToolCallingAgent, tool

    SmolagentsInstrumentor().instrument(tracer_provider=provider)

    @tool
    def get_weather(city: str) -> str:
        """Get weather

        Args:
            city: The city.
        """  # noqa: D400, D415
        return WEATHER

    agent = ToolCallingAgent([get_weather], OpenAIModel("gpt-4o"), instructions=SYSTEM, name="weather", max_steps=3)
    agent.run(QUESTION)


def run_llamaindex() -> None:
    """A function agent of LlamaIndex, and a plain call."""
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAI
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

    LlamaIndexInstrumentor().instrument(tracer_provider=provider)

    def get_weather(city: str) -> str:
        """Get weather"""  # noqa: D400, D415
        return WEATHER

    model = OpenAI("gpt-4o", temperature=0.2, api_base=os.environ["OPENAI_BASE_URL"])
    history = [ChatMessage(**message) for message in HISTORY]

    async def run(streaming: bool) -> None:
        agent = FunctionAgent(name="weather", tools=[get_weather], llm=model, system_prompt=SYSTEM, streaming=streaming)
        await agent.run(QUESTION, chat_history=list(history))

    asyncio.run(run(streaming=False))
    asyncio.run(run(streaming=True))


def run_crewai() -> None:
    """A crew of one agent with one task; CrewAI writes the system prompt of role, goal and backstory.

    Its instrumentation has no model calls: that of the client is there for them.
    """
    from crewai import LLM, Agent, Crew, Task
    from crewai.tools import tool
    from openinference.instrumentation.crewai import CrewAIInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    CrewAIInstrumentor().instrument(tracer_provider=provider)
    OpenAIInstrumentor().instrument(tracer_provider=provider)

    @tool("get_weather")
    def get_weather(city: str) -> str:
        """Get weather"""  # noqa: D400, D415
        return WEATHER

    agent = Agent(role="weather agent", goal=QUESTION, backstory=SYSTEM, tools=[get_weather], llm=LLM("openai/gpt-4o"), max_iter=3)
    Crew(agents=[agent], tasks=[Task(description=QUESTION, expected_output="An answer", agent=agent)]).kickoff()


RUNS: dict[str, Callable[[], None]] = {
    "openinference_openai_agents": run_openai_agents,
    "openinference_smolagents": run_smolagents,
    "openinference_llamaindex": run_llamaindex,
    "openinference_crewai": run_crewai,
}
with using_attributes(user_id=USER, session_id=SESSION, metadata=CLAIMS):
    RUNS[os.environ["CAPTURE"]]()
provider.shutdown()
