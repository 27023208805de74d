"""Client of the reward worker: rewards for sampled answers inside NeMo-RL's container. The standard library only.

NeMo-RL's Python lacks our dependencies, and must: they would fight over versions. A child process with its
own Python (`steps.train.nemo.reward_worker`) asks the judge over HTTP; this side sends answers and reads scores.
No text reaches a log: failures are named by their kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from steps.scoring.breaker import CircuitBreaker

REMEMBERED = 1000
# Before any score is known: the middle.
FIRST_GUESS = 0.5


def strip_thoughts(answer: str) -> str:
    """An answer without a reasoning model's thoughts, as a user would see it."""
    return answer.rpartition("</think>")[2].strip()


def fill_missing(scores: Sequence[float | None], prompts: Sequence[str], usual: float) -> list[float]:
    """Scores with the missing ones replaced by what teaches nothing.

    That is the mean of the same prompt's other answers, whose distance from its group is 0, or the usual score.

    Args:
        scores: 0-1, or None where the judge failed.
        prompts: what each answer belongs to.
        usual: for a prompt without any score.
    """
    known: dict[str, list[float]] = {}
    for score, prompt in zip(scores, prompts, strict=True):
        if score is not None:
            known.setdefault(prompt, []).append(score)
    return [fmean(known.get(prompt, [usual])) if score is None else score for score, prompt in zip(scores, prompts, strict=True)]


class RewardWorker:
    """The child process; started when it is first asked, and again when it ended.

    Args:
        argv: how to start it.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._asked = 0
        self._starting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, case: dict[str, Any]) -> dict[str, Any]:
        """The child's answer to one case: `score` and `error`.

        Raises:
            ConnectionError: the child ended.
        """
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
                )
                self._reading = asyncio.ensure_future(self._read(self._process))
            process = self._process
        self._asked += 1
        number = self._asked
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            if process.stdin is None:
                raise ConnectionError("the scorer has no input")
            process.stdin.write(json.dumps({"id": number, **case}).encode() + b"\n")
            await process.stdin.drain()
            return await reply
        finally:
            self._waiting.pop(number, None)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand replies to those who wait, until the child ends."""
        while process.stdout is not None and (line := await process.stdout.readline()):
            reply = json.loads(line)
            waiting = self._waiting.get(reply["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)
        await process.wait()
        for waiting in list(self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(ConnectionError("the scorer ended"))

    async def close(self) -> None:
        """End the child."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()
        if self._reading is not None:
            await self._reading


class RewardClient:
    """Rewards for batches of answers.

    Args:
        python: the Python that has our dependencies.
        config: the pipeline's configuration file.
        concurrency: answers that wait at once.
        timeout_s: how long one answer may take.
        max_unscored_ratio: of the last 200 answers; above it the training ends instead of learning nothing.
    """

    def __init__(self, python: str, config: str, concurrency: int, timeout_s: float, max_unscored_ratio: float) -> None:
        self._scorer = RewardWorker([python, "-m", "steps.train.nemo.reward_worker", config])
        self._slots = asyncio.Semaphore(concurrency)
        self._timeout_s = timeout_s
        self._breaker = CircuitBreaker(max_unscored_ratio)
        self._recent: deque[float] = deque(maxlen=REMEMBERED)

    async def rewards(self, cases: Sequence[dict[str, Any]], answers: Sequence[str]) -> list[float]:
        """One reward, 0-1, for each answer.

        Args:
            cases: question and contexts of each.
            answers: as sampled.

        Raises:
            TransientError: the judge fails too often.
        """
        scores = await asyncio.gather(*(self._score(case, answer) for case, answer in zip(cases, answers, strict=True)))
        usual = fmean(self._recent) if self._recent else FIRST_GUESS
        self._recent.extend(score for score in scores if score is not None)
        return fill_missing(scores, [json.dumps(case, sort_keys=True) for case in cases], usual)

    async def _score(self, case: dict[str, Any], answer: str) -> float | None:
        """A score, or None when the judge failed; the reason goes to the breaker."""
        score, failure = None, ""
        try:
            async with self._slots:
                sent = {"question": case["question"], "contexts": list(case["contexts"]), "answer": strip_thoughts(answer)}
                reply = await asyncio.wait_for(self._scorer.ask(sent), self._timeout_s)
            score, failure = reply["score"], reply["error"]
        except Exception as error:
            failure = type(error).__name__
        self._breaker.add(failure if score is None else "")
        return score

    async def close(self) -> None:
        """End the child process."""
        await self._scorer.close()
