"""Scoring the answers of both models with the gate's own judge.

The same answer to the same question is judged once, whoever gave it: equal answers get
equal scores, and half of the calls are saved when the models agree.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from steps.gate.suite import Answer
from steps.scoring.metrics import GATE_METRICS
from steps.store.golden import GoldenSet

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Judge(Protocol):
    """A scorer, as far as the gate needs one."""

    async def score(self, question: str, contexts: Sequence[str], answer: str) -> Any:
        """Scores of one answer: attributes faithfulness, answer_relevancy (0-1 or None), error, calls."""


@dataclass(frozen=True)
class Scored:
    """Judge scores, aligned with the answers.

    Attributes:
        values: metric -> [n_answers], 0-1, NaN where unscored.
        judged: distinct answers that were judged.
        calls: requests that the judge was sent.
        first_error: the first failure in the judge's words; empty when all were scored.
    """

    values: dict[str, NDArray[np.float64]]
    judged: int
    calls: int
    first_error: str


async def score_answers(
    golden: GoldenSet,
    answers: Sequence[Answer],
    judge: Judge,
    concurrency: int,
    *,
    samples: int | None = None,
    on_scored: Callable[[], None] = lambda: None,
) -> Scored:
    """Score every answer.

    An empty answer is worth 0, without asking. A missing answer and one that the judge
    cannot score are NaN: unknown is neither good nor bad.

    Args:
        golden: the questions.
        answers: of both models.
        judge: an open scorer.
        concurrency: answers in flight.
        samples: of each question, the answers that are judged; the others only have a latency. None: all.
        on_scored: called after each distinct answer.
    """
    gate = asyncio.Semaphore(concurrency)

    async def one(item: int, text: str) -> Any:
        async with gate:
            question = golden.items[item]
            scores = await judge.score(question.question, list(question.contexts), text)
            on_scored()
            return scores

    wanted = distinct(answers, samples)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {key: group.create_task(one(*key)) for key in wanted}
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    scores_of = {key: task.result() for key, task in tasks.items()}
    matched = [(answer, scores_of.get((answer.item, answer.text))) for answer in answers]

    def column(metric: str) -> NDArray[np.float64]:
        scores = (_value(answer, scores, metric) if _is_judged(answer, samples) else math.nan for answer, scores in matched)
        return np.array(list(scores), dtype=np.float64)

    values = {metric: column(metric) for metric in GATE_METRICS}
    errors = [str(scores.error) for scores in scores_of.values() if scores.error]
    return Scored(values, len(scores_of), sum(int(scores.calls) for scores in scores_of.values()), errors[0] if errors else "")


def distinct(answers: Sequence[Answer], samples: int | None = None) -> list[tuple[int, str]]:
    """(item, text) of every different answer that needs a judge, in order."""
    judged = (answer for answer in answers if _is_judged(answer, samples))
    return list(dict.fromkeys((answer.item, answer.text) for answer in judged if not answer.error and answer.text.strip()))


def _is_judged(answer: Answer, samples: int | None) -> bool:
    return samples is None or answer.sample < samples


def _value(answer: Answer, scores: Any, metric: str) -> float:
    if answer.error:
        return math.nan
    if scores is None:
        return 0.0
    value = getattr(scores, metric)
    # A judge that answers outside its scale is broken, not generous.
    return float(value) if value is not None and 0 <= value <= 1 else math.nan
