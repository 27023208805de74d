"""Kind of a span: a model call, or something else that must not be taken for one.

The order of the rules is the order in which Langfuse decides; the first that speaks wins.
"""

from __future__ import annotations

from typing import Any

from steps.chat.span import Span
from steps.chat.values import as_object, as_word, decode_json

GENERATION = "generation"
_LANGFUSE = frozenset({"generation", "span", "event", "agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail"})
_OPERATIONS = {
    **dict.fromkeys(("chat", "completion", "text_completion", "generate_content", "generate", "message_completion"), GENERATION),
    **dict.fromkeys(("embeddings", "embedding"), "embedding"),
    "execute_tool": "tool",
    **dict.fromkeys(("vector_db_retrieve", "retrieval", "retrieve"), "retriever"),
    **dict.fromkeys(("invoke_agent", "create_agent", "agent_step", "invoke_workflow", "agent", "workflow"), "agent"),
    "execute_task": "chain",
}
_OPENINFERENCE = {
    "llm": GENERATION,
    **{kind: kind for kind in ("embedding", "chain", "retriever", "reranker", "tool", "agent", "guardrail", "evaluator", "prompt")},
}
_TRACELOOP = {"llm": GENERATION, "tool": "tool", "agent": "agent", "workflow": "chain", "task": "chain"}
_REQUEST_TYPES = {"chat": GENERATION, "completion": GENERATION, "embedding": "embedding", "rerank": "reranker"}
_MODEL_KEYS = ("langfuse.observation.model.name", "gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "model", "llm.model")
_GENERATION_FIELDS = (
    *("langfuse.observation.model.name", "langfuse.observation.usage_details", "langfuse.observation.cost_details"),
    *("langfuse.observation.prompt.name", "langfuse.observation.model.parameters"),
)
SIDE_KINDS = frozenset({"tool", "guardrail", "evaluator", "embedding", "retriever", "reranker"})


def _text(attributes: dict[str, Any], key: str) -> str:
    value = attributes.get(key)
    value = decode_json(value) if isinstance(value, str) else value
    return value.strip().lower() if isinstance(value, str) else ""


def kind_of(span: Span) -> str:
    """Kind of a span's work: "generation", "agent", "tool", "retriever", "embedding", "chain", …; "" when nothing tells."""
    if span.kind is None:
        span.kind = _find_kind(span)
    return span.kind


def _find_kind(span: Span) -> str:
    a = span.attributes
    if span.source == "langfuse" and not span.span_id:
        return ""  # a trace's own row: its metadata repeat the attributes of the root span, and that has a row of its own
    kind = _text(a, "langfuse.observation.type")
    if kind in _LANGFUSE:
        # Python SDK up to 3.3 marked generations that an integration had made as spans.
        if kind == "span" and span.source == "otlp" and any(a.get(key) for key in _GENERATION_FIELDS):
            return GENERATION
        return kind
    return _openinference(a) or _operation(a) or _genkit(a) or _ai_sdk(a) or _other(span)


def _openinference(a: dict[str, Any]) -> str:
    return _OPENINFERENCE.get(_text(a, "openinference.span.kind"), "")


def _operation(a: dict[str, Any]) -> str:
    return _OPERATIONS.get(_text(a, "gen_ai.operation.name"), "")


def _genkit(a: dict[str, Any]) -> str:
    subtype = _text(a, "genkit:metadata:subtype") or _text(a, "genkit:type")
    if subtype in ("model", "background-model"):
        return GENERATION
    if subtype:
        return {"tool": "tool", "retriever": "retriever", "embedder": "embedding", "evaluator": "evaluator"}.get(subtype, "chain")
    return ""


def _ai_sdk(a: dict[str, Any]) -> str:
    name = str(a.get("ai.operationId") or "") or str(a.get("operation.name") or "").split(" ")[0]
    if not name.startswith("ai."):
        return ""
    if name.endswith((".doGenerate", ".doStream")):
        return GENERATION if any(a.get(key) for key in ("ai.model.id", "gen_ai.request.model", "gen_ai.response.model")) else "chain"
    if name.endswith((".doEmbed", "embed", "embedMany")):
        return "embedding"
    return "tool" if name == "ai.toolCall" else "agent"


def _other(span: Span) -> str:
    a = span.attributes
    if a.get("gen_ai.tool.name") or a.get("gen_ai.tool.call.id"):
        return "tool"
    if kind := _TRACELOOP.get(_text(a, "traceloop.span.kind")) or _REQUEST_TYPES.get(_text(a, "llm.request.type")):
        return kind
    if a.get("flue.turn.input") or a.get("flue.turn.output"):
        return GENERATION
    if a.get("gcp.vertex.agent.llm_request") and as_object(a["gcp.vertex.agent.llm_request"]):
        return GENERATION
    if a.get("gcp.vertex.agent.tool_call_args") or a.get("gcp.vertex.agent.tool_response"):
        return "tool"
    if span.name in ("llm_node", "llm_request", "llm_request_run") and (a.get("lk.chat_ctx") or a.get("lk.response.text")):
        return GENERATION if span.name == "llm_request" or "gen_ai.request.model" in a else "chain"
    mlflow = _text(a, "mlflow.spanType")
    if mlflow:
        return GENERATION if mlflow in ("chat_model", "llm") else mlflow
    if span.name == "raw_gen_ai_request":
        return "raw"
    return GENERATION if any(as_word(a.get(key)) for key in _MODEL_KEYS) else ""
