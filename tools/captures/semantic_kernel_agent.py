"""Semantic Kernel's chat agent under its own tracing, which writes messages as log records of Python's logging.

Claims: attributes of the application's span.
"""

# /// script
# dependencies = ["semantic-kernel==1.45.0", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"]
# [tool.captures]
# semantic_kernel = []
# ///

import asyncio
import logging
import os

os.environ["SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE"] = "true"

from conversation import CLAIMS, HISTORY, QUESTION, SESSION, SYSTEM, USER, WEATHER, trace_to_receiver
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from semantic_kernel.agents import ChatCompletionAgent, ChatHistoryAgentThread
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.contents import ChatHistory
from semantic_kernel.functions import kernel_function


def hide_path(record: logging.LogRecord) -> bool:
    """Let messages of the model pass, without the place of the library on this machine."""
    record.pathname = record.filename
    return record.name.startswith("semantic_kernel.utils.telemetry")


provider = trace_to_receiver()
logs = LoggerProvider(resource=Resource.create({"service.name": "weather"}))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(logs)
handler = LoggingHandler(logger_provider=logs)
handler.addFilter(hide_path)
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)


class Weather:
    """The plugin."""

    @kernel_function(name="get_weather", description="Get weather")
    def get_weather(self, city: str) -> str:
        """Get weather"""  # noqa: D400, D415
        return WEATHER


async def main() -> None:
    """The agent, and the same streamed."""
    for name in ("agent", "agent-stream"):
        history = ChatHistory()
        history.add_user_message(HISTORY[0]["content"])
        history.add_assistant_message(HISTORY[1]["content"])
        thread = ChatHistoryAgentThread(chat_history=history)
        agent = ChatCompletionAgent(
            service=OpenAIChatCompletion(ai_model_id="gpt-4o"), name="weather", instructions=SYSTEM, plugins=[Weather()]
        )
        with trace.get_tracer("app").start_as_current_span(name, attributes={"user.id": USER, "session.id": SESSION, **CLAIMS}):
            if name == "agent":
                await agent.get_response(QUESTION, thread=thread)
            else:
                async for _ in agent.invoke_stream(QUESTION, thread=thread):
                    pass


asyncio.run(main())
provider.shutdown()
logs.shutdown()
