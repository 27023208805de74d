"""Scorer: Ragas' metrics and our own graded judge for one answer, with the guards that Ragas leaves out.

What cannot be scored is None, never 0 and never NaN. Used by labelling, the gate and the online quality exporter.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from steps.contract.errors import ConfigError, TransientError
from steps.scoring import rubric
from steps.scoring.client import JudgeClient, calls_of_task
from steps.scoring.ragas_adapter import Metric, ragas_metrics
from steps.scoring.responses import JudgeAnswerError

if TYPE_CHECKING:
    from steps.contract.config import JudgeConfig

METRICS = ("faithfulness", "answer_relevancy", "context_precision", "judge")
# What the gate asks its judge.
GATE_METRICS = ("faithfulness", "answer_relevancy")
MAX_ANSWER_CHARS = 6_000
MAX_ANSWER_SENTENCES = 40
MAX_CONTEXT_CHARS = 60_000
MAX_QUESTION_CHARS = 8_000
DECIMALS = 6
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Scores:
    """What one answer scored, each 0-1 or None for "not scorable", rounded to 6 decimals.

    Attributes:
        error: why something is None, one line without any text of the trace; "" when all is well.
        calls: HTTP requests made for it.
        judge_failed: the judge's fault, not the trace's.
    """

    faithfulness: float | None = None
    answer_relevancy: float | None = None
    context_precision: float | None = None
    judge: float | None = None
    error: str = ""
    calls: int = 0
    judge_failed: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to score; `key` is the caller's."""

    key: str
    question: str
    contexts: Sequence[str]
    answer: str


def clean(text: str, limit: int) -> str:
    """Text that can be sent: no lone surrogates, at most `limit` characters."""
    return text[:limit].encode("utf-8", "replace").decode()


def capped_answer(answer: str) -> str:
    """At most 40 sentences and 6000 characters of an answer, ending with a whole sentence where there is one."""
    text = clean(answer.strip(), MAX_ANSWER_CHARS + 1)
    ends = [match.start() for match in _SENTENCE_END.finditer(text)]
    if len(ends) >= MAX_ANSWER_SENTENCES:
        text = text[: ends[MAX_ANSWER_SENTENCES - 1]]
    if len(text) > MAX_ANSWER_CHARS:
        inside = [end for end in ends if end <= MAX_ANSWER_CHARS]
        text = text[: inside[-1] if inside else MAX_ANSWER_CHARS]
    return text


class Scorer:
    """Scores answers with one judge. Use it as an async context manager, within one event loop.

    Args:
        config: the judge; `base_url` must be filled in.
        metrics: which of faithfulness, answer_relevancy, context_precision, judge.

    Raises:
        ConfigError: no base_url, an unknown metric or prompt version.
    """

    def __init__(self, config: JudgeConfig, metrics: Sequence[str] = ("faithfulness", "answer_relevancy", "judge")) -> None:
        unknown = set(metrics) - set(METRICS)
        if unknown or not metrics:
            raise ConfigError(f"unknown metric {sorted(unknown)[0] if unknown else '(none)'!r}: use {', '.join(METRICS)}")
        self.config, self.metrics = config, tuple(metrics)
        self.client = JudgeClient(config)
        self._instructions = rubric.instructions(config.prompt_version)
        self._ask: dict[str, Metric] = {}

    async def __aenter__(self) -> Scorer:
        self._ask = self._metrics()
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.__aexit__(*exc)

    def _metrics(self) -> dict[str, Metric]:
        """One coroutine function per asked metric: (question, contexts, answer) -> value."""
        if set(self.metrics) == {"judge"}:
            return {"judge": self._graded}
        functions: dict[str, Metric] = {"judge": self._graded, **ragas_metrics(self.client)}
        return {name: functions[name] for name in self.metrics}

    async def _graded(self, question: str, contexts: list[str], answer: str) -> float:
        """Our own graded judge score."""
        case = orjson.dumps({"question": question, "contexts": contexts, "answer": answer}).decode()

        def parse(text: str) -> float:
            score = orjson.loads(text)["score"]
            if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
                raise ValueError("score out of range")
            return float(score)

        return await self.client.ask(self._instructions + case, "GroundedAnswerScore", rubric.SCHEMA, parse)

    async def score(self, question: str, contexts: Sequence[str], answer: str) -> Scores:
        """Score one answer. Bad input and unusable judge answers give None and an `error`.

        Args:
            question: what the user asked.
            contexts: what was retrieved for it; blank ones are left out.
            answer: what the model said; the first 40 sentences and 6000 characters count.

        Raises:
            TransientError: the judge cannot be reached.
            AccessError: the judge refuses the key.
            ConfigError: the judge has no such route or model.
        """
        if isinstance(contexts, str):
            raise TypeError("contexts must be a sequence of texts, not one text")
        usable, room = [], MAX_CONTEXT_CHARS
        for context in contexts:
            if isinstance(context, str) and context.strip() and room > 0:
                usable.append(clean(context, room))
                room -= len(usable[-1])
        text, reply = clean(question, MAX_QUESTION_CHARS).strip(), capped_answer(answer)
        missing = "no question" if not text else "no answer" if not reply else "no contexts" if not usable else ""
        if missing:
            return Scores(error=missing)
        counter = [0]
        token = calls_of_task.set(counter)
        try:
            results = await asyncio.gather(*(ask(text, usable, reply) for ask in self._ask.values()), return_exceptions=True)
        finally:
            calls_of_task.reset(token)
        return self._collect(dict(zip(self._ask, results, strict=True)), counter[0])

    def _collect(self, results: dict[str, Any], calls: int) -> Scores:
        """Finite values within 0-1, or the reason why there are none."""
        values: dict[str, float | None] = dict.fromkeys(METRICS)
        errors: list[str] = []
        for name, result in results.items():
            if isinstance(result, JudgeAnswerError):
                errors.append(f"{name}: {result}")
                continue
            if isinstance(result, BaseException):
                raise result
            value = float(getattr(result, "value", result))
            if math.isfinite(value):
                values[name] = round(min(1.0, max(0.0, value)), DECIMALS)
            else:
                errors.append(f"{name}: not a number")
        return Scores(**values, error="; ".join(errors), calls=calls, judge_failed=bool(errors))


async def score_many(
    scorer: Scorer,
    cases: Iterable[Case],
    on_done: Callable[[Case, Scores], None],
    on_outage: Callable[[Case, TransientError], None] | None = None,
) -> None:
    """Score every case with a fixed number of workers that pull from a queue.

    Args:
        scorer: an entered scorer.
        cases: consumed as workers get free.
        on_done: called in the event loop after each case, in the order they finish.
        on_outage: called instead when the judge could not be reached for a case; without it the first outage ends everything.

    Raises:
        PipelineError: what `on_done` or `on_outage` raised, or an error of the judge that concerns every case.
    """
    queue = iter(cases)

    async def worker() -> None:
        for case in queue:
            try:
                scores = await scorer.score(case.question, case.contexts, case.answer)
            except TransientError as error:
                if on_outage is None:
                    raise
                on_outage(case, error)
            else:
                on_done(case, scores)

    workers = [asyncio.ensure_future(worker()) for _ in range(max(2, scorer.config.concurrency // 2))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
