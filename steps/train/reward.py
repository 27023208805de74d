"""The reward of GRPO: asks the same judge, through the same code, that labels production traces."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from steps.scoring.metrics import Case, Scorer, score_many
from steps.scoring.reward import COMPONENTS, final_score, weighted

if TYPE_CHECKING:
    from steps.contract.config import PipelineConfig, RewardWeights
    from steps.scoring.metrics import Scorer, Scores
    from steps.train.grpo import Reward

Question = tuple[str, tuple[str, ...], str]
"""(question, contexts, answer): what a score depends on."""


@contextlib.contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in its own thread: a trainer is not asynchronous, and its caller may be inside another loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="reward", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _score_all(scorer: Scorer, questions: list[Question]) -> list[Scores]:
    scores_of: dict[str, Scores] = {}
    cases = [Case(str(number), question, contexts, answer) for number, (question, contexts, answer) in enumerate(questions)]
    await score_many(scorer, cases, lambda case, scores: scores_of.update({case.key: scores}))
    return [scores_of[str(number)] for number in range(len(questions))]


def reward_of(scores: Scores, weights: RewardWeights) -> float:
    """The reward of one scored answer, 0-1.

    An answer that cannot be scored (empty, no sentence) is worth 0.0: when labelling,
    such a trace is left out, but a policy must not learn to produce them.
    """
    return final_score({name: getattr(scores, name) for name in COMPONENTS}, weights) or 0.0


@contextlib.contextmanager
def judge_reward(config: PipelineConfig) -> Iterator[Reward]:
    """A reward function over `config.reward_judge`, weighted as labels are. Repeated answers are scored once.

    Raises:
        TransientError: when called, the judge cannot be reached.
        ConfigError: no judge is configured.
    """
    weights = config.label.weights
    memo: dict[Question, float] = {}

    with _event_loop() as loop, contextlib.ExitStack() as stack:
        scorer = Scorer(config.reward_judge, metrics=tuple(weighted(weights)))
        asyncio.run_coroutine_threadsafe(scorer.__aenter__(), loop).result()
        stack.callback(lambda: asyncio.run_coroutine_threadsafe(scorer.__aexit__(None, None, None), loop).result())

        def reward(questions: list[str], contexts: list[list[str]], answers: list[str]) -> list[float]:
            cases = [(question, tuple(texts), answer) for question, texts, answer in zip(questions, contexts, answers, strict=True)]
            new = [case for case in dict.fromkeys(cases) if case not in memo]
            if new:
                scores = asyncio.run_coroutine_threadsafe(_score_all(scorer, new), loop).result()
                memo.update(zip(new, (reward_of(scores_of_case, weights) for scores_of_case in scores), strict=True))
            return [memo[case] for case in cases]

        yield reward
