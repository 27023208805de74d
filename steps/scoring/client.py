"""JudgeClient: one OpenAI-compatible judge over one HTTP session, with retries in one layer.

A request that fails in passing (408, 409, 425, 429, 5xx, connection, timeout, unreadable
answer) is tried again with jittered backoff; any other refusal and a cut-off answer are not.
Identical prompts are asked once (the judge runs at temperature 0).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson

from steps.contract.errors import ConfigError, TransientError
from steps.scoring.responses import JudgeAnswerError, RetryableError, authorization, bare_json, check_status, vectors

if TYPE_CHECKING:
    from steps.contract.config import JudgeConfig

T = TypeVar("T")
BACKOFF_S = (0.5, 8.0)
MEMO_ENTRIES = 4096
SEED = 0

calls_of_task: ContextVar[list[int] | None] = ContextVar("calls_of_task", default=None)
"""A one-element list that counts the HTTP requests made on behalf of the current task."""


class JudgeClient:
    """Asks one judge. Use it as an async context manager, within one event loop.

    Attributes:
        calls: HTTP requests sent so far, retries included.
        answered: requests that the judge answered with 200.
    """

    def __init__(self, config: JudgeConfig) -> None:
        if not config.base_url:
            raise ConfigError(f"judge {config.model}: base_url is empty: set it to an OpenAI-compatible …/v1, as `ctp serve judge` offers")
        self.config = config
        self._chat_url = f"{config.base_url.rstrip('/')}/chat/completions"
        self._embedding_url = f"{(config.embedding_base_url or config.base_url).rstrip('/')}/embeddings"
        self._inflight: dict[bytes, asyncio.Future[Any]] = {}
        self._memo: OrderedDict[bytes, Any] = OrderedDict()
        self._vectors: OrderedDict[str, Any] = OrderedDict()
        self.calls = 0
        self.answered = 0

    async def __aenter__(self) -> JudgeClient:
        import aiohttp

        self._slots = asyncio.Semaphore(self.config.concurrency)
        headers = {"content-type": "application/json", **authorization(self.config.api_key_file)}
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self.config.timeout_s),
            connector=aiohttp.TCPConnector(limit=self.config.concurrency),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._inflight.values()):
            task.cancel()
        await asyncio.gather(*self._inflight.values(), return_exceptions=True)
        await self._session.close()

    async def ask(self, prompt: str, name: str, schema: dict[str, Any], parse: Callable[[str], T]) -> T:
        """The judge's answer to one prompt.

        Args:
            prompt: the whole user message.
            name: name of the schema; the same prompt under another name is another question.
            schema: JSON schema the answer is held to by guided decoding.
            parse: turns the bare JSON into a value; raises ValueError when it is not acceptable.

        Raises:
            JudgeAnswerError: refused, cut off, or unacceptable after all tries.
            TransientError: the judge cannot be reached or stays overloaded.
            AccessError: 401 or 403.
            ConfigError: 404, no such route or model.
        """
        key = hashlib.blake2b(f"{name}\0{prompt}".encode("utf-8", "replace"), digest_size=16).digest()
        if key in self._memo:
            self._memo.move_to_end(key)
            return cast("T", self._memo[key])
        task = self._inflight.get(key)
        if task is None:
            task = self._inflight[key] = asyncio.ensure_future(self._ask(prompt, name, schema, parse))
            task.add_done_callback(lambda done: self._remember(key, done))
        return cast("T", await asyncio.shield(task))

    def _remember(self, key: bytes, task: asyncio.Future[Any]) -> None:
        """Forget a finished request; keep only a good answer."""
        self._inflight.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            self._memo[key] = task.result()
            if len(self._memo) > MEMO_ENTRIES:
                self._memo.popitem(last=False)

    async def _ask(self, prompt: str, name: str, schema: dict[str, Any], parse: Callable[[str], T]) -> T:
        def accept(document: Any) -> T:
            choice = document["choices"][0]
            if choice.get("finish_reason") == "length":
                raise JudgeAnswerError("the judge's answer was cut off: raise max_tokens")
            return parse(bare_json(choice["message"].get("content") or ""))

        body = {
            "model": self.config.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "seed": SEED,
            "max_tokens": self.config.max_tokens,
            "response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}},
            "chat_template_kwargs": {"enable_thinking": self.config.enable_thinking},
        }
        return await self._request(self._chat_url, body, accept)

    async def embed(self, texts: list[str]) -> list[Any]:
        """One float32 vector (numpy, 1-D) per text, in order; a text is embedded once."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing:
            body = {"model": self.config.embedding_model, "input": missing, "encoding_format": "base64"}
            embeddings = await self._request(self._embedding_url, body, lambda document: vectors(document, len(missing)))
            self._vectors.update(zip(missing, embeddings, strict=True))
        result = [self._vectors[text] for text in texts]
        while len(self._vectors) > MEMO_ENTRIES:
            self._vectors.popitem(last=False)
        return result

    async def _request(self, url: str, body: dict[str, Any], accept: Callable[[Any], T]) -> T:
        """Post until an acceptable answer came or the tries are used up."""
        payload = orjson.dumps(body)
        for turn in range(1, self.config.tries + 1):
            try:
                return await self._post(url, payload, accept)
            except RetryableError as error:
                if turn == self.config.tries:
                    raise self._final_error(url, error) from None
                pause = min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** (turn - 1)) * random.uniform(0.5, 1.0)
                await asyncio.sleep(max(pause, error.after or 0.0))
            if "seed" in body:
                payload = orjson.dumps(body | {"seed": SEED + turn})
        raise AssertionError("tries is at least 1")

    def _final_error(self, url: str, error: RetryableError) -> Exception:
        if not error.outage:
            return JudgeAnswerError(f"no acceptable answer in {self.config.tries} tries: {error}")
        return TransientError(f"judge {url}: {error} ({self.config.tries} tries): start it or correct base_url, then run this again")

    async def _post(self, url: str, payload: bytes, accept: Callable[[Any], T]) -> T:
        """One request."""
        import aiohttp

        async with self._slots:
            self.calls += 1
            counter = calls_of_task.get()
            if counter is not None:
                counter[0] += 1
            try:
                async with self._session.post(url, data=payload, allow_redirects=False) as response:
                    raw = await response.read()
            except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
                raise ConfigError(f"judge base_url {url!r} is no http(s) address") from error
            except TimeoutError:
                raise RetryableError(f"no answer within {self.config.timeout_s:g} s") from None
            except aiohttp.ClientError as error:
                raise RetryableError(f"not reachable ({type(error).__name__})") from None
        check_status(response.status, response.headers.get("Retry-After"), url, self.config.model)
        self.answered += 1
        try:
            return accept(orjson.loads(raw))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise RetryableError(f"unreadable answer ({type(error).__name__})", outage=False) from None
