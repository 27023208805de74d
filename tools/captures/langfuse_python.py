"""Langfuse Python SDK: its drop-in OpenAI client inside an observation of the application.

Claims: `update_current_trace` until it has `propagate_attributes` (late 3.x); with user, session and metadata.
"""

# /// script
# dependencies = ["openai==3.57.0"]
# [tool.captures]
# langfuse_python3 = ["langfuse==3.3.5"]
# langfuse_python3_15 = ["langfuse==3.15.0"]
# langfuse_python5 = ["langfuse==5.0.4"]
# ///

import os

import langfuse
from conversation import CLAIMS, QUESTION, SESSION, USER
from langfuse.openai import OpenAI
from openai_client import TRACES

os.environ["LANGFUSE_HOST"] = os.environ["LANGFUSE_BASE_URL"] = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
tracker = langfuse.Langfuse(public_key="pk", secret_key="none")  # noqa: S106
client = OpenAI()


@langfuse.observe()
def get_answer(name: str) -> str:
    """One trace."""
    tracker.update_current_span(name=name, input=QUESTION)
    if not hasattr(langfuse, "propagate_attributes"):
        tracker.update_current_trace(user_id=USER, session_id=SESSION, metadata=CLAIMS)
    return TRACES[name](client)


for trace_name in TRACES:
    if hasattr(langfuse, "propagate_attributes"):
        with langfuse.propagate_attributes(user_id=USER, session_id=SESSION, metadata=CLAIMS):
            get_answer(trace_name)
    else:
        get_answer(trace_name)
tracker.flush()
