"""Which prompt is this, and what does the lexical judge answer.

A prompt is recognised by the title of the JSON schema that it asks for, read before its
examples; its data is the JSON document after the last marker. User text stands only
inside that document, JSON-escaped, so it can forge neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from steps.scoring import rubric
from steps.serve.judge.lexical.claims import asked_by, is_refusal, statements_of
from steps.serve.judge.lexical.grade import Scorer, graded, useful, verdicts

RAGAS_MARKER = "\nNow perform the same with the following input\ninput: "
_EXAMPLES = "--------EXAMPLES-----------"
_TITLE = re.compile(r'"title": "(\w+)", "type": "object"\}Do not use single quotes')
_MAX_STATEMENTS = 1000
_decoder = json.JSONDecoder()


class UnknownPromptError(ValueError):
    """The prompt is none that this judge answers."""


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise UnknownPromptError(f"input {key!r} must be a string")
    return value


def _texts(data: dict[str, Any], key: str) -> list[str]:
    value = data.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or len(value) > _MAX_STATEMENTS:
        raise UnknownPromptError(f"input {key!r} must be a list of at most {_MAX_STATEMENTS} strings")
    return value


def _statements(scorer: Scorer, data: dict[str, Any]) -> dict[str, Any]:
    return {"statements": statements_of(_text(data, "question"), _text(data, "answer"))}


def _nli(scorer: Scorer, data: dict[str, Any]) -> dict[str, Any]:
    statements = _texts(data, "statements")
    results = verdicts(scorer, _text(data, "context"), statements)
    return {
        "statements": [
            {"statement": statement, "reason": f"{scorer.name} support {support:.2f}", "verdict": verdict}
            for statement, (support, verdict) in zip(statements, results, strict=True)
        ]
    }


def _relevance(scorer: Scorer, data: dict[str, Any]) -> dict[str, Any]:
    response = _text(data, "response")
    return {"question": asked_by(response), "noncommittal": int(is_refusal(response))}


def _precision(scorer: Scorer, data: dict[str, Any]) -> dict[str, Any]:
    verdict = useful(_text(data, "question"), _text(data, "context"), _text(data, "answer"))
    return {"reason": f"{scorer.name}: half of the answer's own words", "verdict": int(verdict)}


def _rubric(scorer: Scorer, data: dict[str, Any]) -> dict[str, Any]:
    score = graded(scorer, _text(data, "question"), _texts(data, "contexts"), _text(data, "answer"))
    return {"reason": f"{scorer.name} support", "score": round(score, 6)}


_RAGAS: dict[str, Callable[[Scorer, dict[str, Any]], dict[str, Any]]] = {
    "StatementGeneratorOutput": _statements,
    "NLIStatementOutput": _nli,
    "AnswerRelevanceOutput": _relevance,
    "ContextPrecisionOutput": _precision,
}


def _document(prompt: str, marker: str) -> dict[str, Any]:
    """The JSON object after the last marker."""
    try:
        data, _ = _decoder.raw_decode(prompt, prompt.rindex(marker) + len(marker))
    except (ValueError, RecursionError) as error:
        raise UnknownPromptError("no JSON document after the prompt's marker") from error
    if not isinstance(data, dict):
        raise UnknownPromptError("the prompt's input must be a JSON object")
    return data


def answer(scorer: Scorer, messages: list[Any]) -> dict[str, Any]:
    """The JSON object a chat request asks for.

    Raises:
        UnknownPromptError: the prompt is neither one of Ragas' four nor our own.
    """
    for message in messages:
        text = message.get("content") if isinstance(message, dict) and message.get("role") == "user" else None
        if not isinstance(text, str):
            continue
        if text.startswith(rubric.OPENING) and rubric.MARKER in text:
            return _rubric(scorer, _document(text, rubric.MARKER))
        title = _TITLE.search(text, 0, max(0, text.find(_EXAMPLES))) if RAGAS_MARKER in text else None
        if title is not None and title[1] in _RAGAS:
            return _RAGAS[title[1]](scorer, _document(text, RAGAS_MARKER))
    raise UnknownPromptError("unknown prompt: this judge answers Ragas' statement, NLI, relevance and precision prompts and our rubric")
