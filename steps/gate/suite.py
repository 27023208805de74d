"""Asking both models the golden set over HTTP, under the same load and with the same seeds.

Each question goes to champion and candidate one right after the other, the first of the
two alternating, so that a machine that slows down slows both. An answer that cannot be had after
retries stays in the list with its error: nothing is dropped silently.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from steps.contract.config import GateConfig
from steps.contract.errors import AccessError, ConfigError, TransientError
from steps.store.golden import GoldenSet

if TYPE_CHECKING:
    import aiohttp

Arm = Literal["champion", "candidate"]
ARMS: tuple[Arm, Arm] = ("champion", "candidate")
_TRIES = 4
_RETRIED_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one model.

    Attributes:
        item: index of the question in the golden set.
        sample: 0 … samples_per_prompt - 1.
        arm: which model.
        text: the answer; empty when there is none.
        latency_ms: of the attempt that succeeded; NaN when none did.
        error: why there is no answer; empty when there is one.
    """

    item: int
    sample: int
    arm: Arm
    text: str
    latency_ms: float
    error: str = ""


def request_seed(golden_sha256: str, item_id: str, sample: int) -> int:
    """The sampling seed of one request (31 bits): the same for both models and for every repetition."""
    return int.from_bytes(hashlib.sha256(f"{golden_sha256}/{item_id}/{sample}".encode()).digest()[:4], "big") >> 1


async def ask_both(
    golden: GoldenSet, urls: Mapping[Arm, str], model: str, config: GateConfig, *, on_answer: Callable[[], None] = lambda: None
) -> list[Answer]:
    """Ask every question `samples_per_prompt` times of both models, or `latency_samples_per_prompt` times if that is more.

    Args:
        golden: the questions.
        urls: base URL of each model server, with or without `/v1`.
        model: served model name that goes into the request.
        config: sampling and concurrency.
        on_answer: called after each answer.

    Returns:
        2 x n_items x samples asked answers, sorted by item, sample, arm.

    Raises:
        ConfigError: a server does not know the route, the model or a parameter.
        AccessError: a server refuses access.
        TransientError: a server answered not even one request.
    """
    import aiohttp

    gate = asyncio.Semaphore(config.concurrency)
    timeout = aiohttp.ClientTimeout(total=config.request_timeout_s)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=2 * config.concurrency)) as session:

        async def pair(item: int, sample: int) -> list[Answer]:
            async with gate:
                answers = []
                for arm in ARMS if (item + sample) % 2 else ARMS[::-1]:
                    body = _body(golden, item, sample, model, config)
                    answers.append(await _ask(session, urls[arm], body, item, sample, arm))
                    on_answer()
                return answers

        pairs = [pair(item, sample) for sample in range(config.samples_asked) for item in range(len(golden.items))]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one) for one in pairs]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
    answers = sorted((answer for task in tasks for answer in task.result()), key=lambda answer: (answer.item, answer.sample, answer.arm))
    for arm in ARMS:
        ours = [answer for answer in answers if answer.arm == arm]
        if all(answer.error for answer in ours):
            none = f"the {arm} at {urls[arm]} answered none of {len(ours)} requests ({ours[0].error})"
            raise TransientError(f"{none}: check the server, then run the same command again")
    return answers


def _body(golden: GoldenSet, item: int, sample: int, model: str, config: GateConfig) -> dict[str, Any]:
    question = golden.items[item]
    return {
        "model": model,
        "messages": list(question.messages),
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "seed": request_seed(golden.sha256, question.id, sample),
    }


async def _ask(session: aiohttp.ClientSession, url: str, body: dict[str, Any], item: int, sample: int, arm: Arm) -> Answer:
    """Ask for one answer, again where a repetition can help."""
    error = ""
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(0.1 * 4 ** (attempt - 1))
        started = time.perf_counter()
        try:
            text = await _post(session, url, body, arm)
        except (TransientError, TimeoutError) as problem:
            error = str(problem) or "no answer in time"
            continue
        return Answer(item, sample, arm, text, (time.perf_counter() - started) * 1000)
    return Answer(item, sample, arm, "", float("nan"), error)


def chat_url(base: str) -> str:
    """The chat route of a server given as `http://host` or `http://host/v1`."""
    return base.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, Any], arm: Arm) -> str:
    """Send one request; returns the answer's text.

    Raises:
        TransientError: another attempt may succeed.
        ConfigError, AccessError: it cannot.
    """
    import aiohttp

    try:
        async with session.post(chat_url(url), json=body) as reply:
            if reply.status in (401, 403):
                raise AccessError(f"the {arm} at {url} refuses access (HTTP {reply.status}): allow this step to call it")
            if reply.status in _RETRIED_STATUS:
                raise TransientError(f"HTTP {reply.status}")
            if reply.status != 200:
                reason = " ".join((await reply.text(errors="replace")).split())[:200]
                raise ConfigError(f"the {arm} at {url} refuses the request (HTTP {reply.status}): {reason}")
            document = await reply.json(content_type=None)
    except (aiohttp.ClientError, ValueError) as error:
        raise TransientError(f"{type(error).__name__}: {str(error)[:120]}") from error
    try:
        content = document["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise TransientError("the reply is no chat completion") from None
    if content is not None and not isinstance(content, str):
        raise TransientError("the reply's content is no text")
    return content or ""
