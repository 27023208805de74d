"""Ragas' metric classes over our own client: an LLM and an embedding for Ragas, prompts rendered once, answers checked.

Ragas accepts any subclass of its two interfaces, so its prompts and its arithmetic stay as they are.

Source: ragas 0.4.3, `ragas.metrics.collections`; Es et al. 2023, arXiv 2309.15217.
"""

from __future__ import annotations

import functools
import os
import sys
import types
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steps.scoring.client import JudgeClient

Metric = Callable[[str, list[str], str], "Awaitable[Any]"]
"""(question, contexts, answer) -> something with a `value`, 0-1 or NaN."""
_MARKER = "Now perform the same with the following input\ninput: "


class _Prompt(str):
    """A prompt that knows how many statements it asks about."""

    statements: int = 0


@functools.cache
def load_ragas() -> types.SimpleNamespace:
    """Import Ragas once: telemetry off, and a stand-in for a module that langchain-community dropped."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    missing = "langchain_community.chat_models.vertexai"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            __import__(missing)
        except ImportError:
            module = types.ModuleType(missing)
            module.ChatVertexAI = type("ChatVertexAI", (), {})  # type: ignore[attr-defined]
            sys.modules[missing] = module
        from ragas.embeddings.base import BaseRagasEmbedding
        from ragas.llms.base import InstructorBaseRagasLLM
        from ragas.metrics import collections
    return types.SimpleNamespace(llm=InstructorBaseRagasLLM, embedding=BaseRagasEmbedding, metrics=collections)


class CachedPrompt:
    """A Ragas prompt whose instruction, schema and examples are rendered once."""

    def __init__(self, prompt: Any) -> None:
        full = prompt.to_string(prompt.examples[0][0])
        self.prefix: str = full[: full.rindex(_MARKER) + len(_MARKER)]

    def to_string(self, data: Any) -> str:
        """The whole prompt for one input."""
        text = _Prompt(f"{self.prefix}{data.model_dump_json(indent=4, exclude_none=True)}\nOutput: ")
        text.statements = len(getattr(data, "statements", None) or ())
        return text


@functools.cache
def _schema(response_model: Any) -> dict[str, Any]:
    """The response model's JSON schema; verdicts may only be 0 or 1."""

    def tighten(node: Any, name: str = "") -> Any:
        if isinstance(node, dict):
            node = {key: tighten(value, key) for key, value in node.items()}
            if name in ("verdict", "noncommittal"):
                node["enum"] = [0, 1]
            return node
        return [tighten(item) for item in node] if isinstance(node, list) else node

    schema: dict[str, Any] = tighten(response_model.model_json_schema())
    return schema


def checked(answer: Any, statements: int) -> Any:
    """The parsed answer, if its ranges and counts hold; Ragas itself would score 2.0 for a verdict of 2.

    Raises:
        ValueError: they do not.
    """
    flags = [getattr(answer, name) for name in ("verdict", "noncommittal") if hasattr(answer, name)]
    items = getattr(answer, "statements", None)
    if items is not None:
        flags.extend(item.verdict for item in items if hasattr(item, "verdict"))
        if not items or (statements and len(items) != statements) or any(isinstance(item, str) and not item.strip() for item in items):
            raise ValueError("wrong number of statements")
    if any(flag not in (0, 1) for flag in flags):
        raise ValueError("verdict out of range")
    if hasattr(answer, "question") and not answer.question.strip():
        raise ValueError("blank question")
    return answer


@functools.cache
def _adapters() -> tuple[type, type]:
    """Our subclasses of Ragas' LLM and embedding; made late because Ragas is imported late."""
    ragas = load_ragas()

    class JudgeLLM(ragas.llm):  # type: ignore[misc, name-defined]
        """Ragas' LLM interface over a JudgeClient."""

        is_async = True

        def __init__(self, client: JudgeClient) -> None:
            self._client = client

        def generate(self, prompt: str, response_model: Any) -> Any:
            raise TypeError("this judge is asynchronous: await agenerate")

        async def agenerate(self, prompt: str, response_model: Any) -> Any:
            statements = getattr(prompt, "statements", 0)

            def parse(text: str) -> Any:
                return checked(response_model.model_validate_json(text), statements)

            return await self._client.ask(prompt, response_model.__name__, _schema(response_model), parse)

    class JudgeEmbedding(ragas.embedding):  # type: ignore[misc, name-defined]
        """Ragas' embedding interface over a JudgeClient."""

        def __init__(self, client: JudgeClient) -> None:
            super().__init__()
            self._client = client

        def embed_text(self, text: str, **_: Any) -> Any:
            raise TypeError("this embedding is asynchronous: await aembed_text")

        async def aembed_text(self, text: str, **_: Any) -> Any:
            return (await self._client.embed([text]))[0]

        async def aembed_texts(self, texts: list[str], **_: Any) -> Any:
            return await self._client.embed(texts)

    return JudgeLLM, JudgeEmbedding


def ragas_metrics(client: JudgeClient) -> dict[str, Metric]:
    """Ragas' metrics by name, asking through `client`."""
    ragas = load_ragas().metrics
    make_llm, make_embedding = _adapters()
    llm, embedding = make_llm(client), make_embedding(client)
    faithfulness = ragas.Faithfulness(llm=llm)
    faithfulness.statement_generator_prompt = CachedPrompt(faithfulness.statement_generator_prompt)
    faithfulness.nli_statement_prompt = CachedPrompt(faithfulness.nli_statement_prompt)
    relevancy = ragas.AnswerRelevancy(llm=llm, embeddings=embedding)
    relevancy.prompt = CachedPrompt(relevancy.prompt)
    precision = ragas.ContextPrecisionWithoutReference(llm=llm)
    precision.prompt = CachedPrompt(precision.prompt)
    return {
        "faithfulness": lambda q, c, a: faithfulness.ascore(user_input=q, response=a, retrieved_contexts=c),
        "answer_relevancy": lambda q, c, a: relevancy.ascore(user_input=q, response=a),
        "context_precision": lambda q, c, a: precision.ascore(user_input=q, response=a, retrieved_contexts=c),
    }
