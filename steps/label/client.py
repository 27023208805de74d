"""JudgeClient: one OpenAI-compatible judge over one HTTP session, with retries in one layer.

A request that fails in passing (408, 409, 425, 429, 5xx, connection, timeout, unreadable
answer) is tried again with jittered backoff; any other refusal and a cut-off answer are not.
Identical prompts are asked once (the judge runs at temperature 0).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from steps.errors import AccessError, ConfigError, TransientError

if TYPE_CHECKING:
    import aiohttp

    from steps.config import JudgeConfig

T = TypeVar("T")
RETRIED = frozenset((408, 409, 425, 429))
BACKOFF_S = (0.5, 8.0)
MAX_RETRY_AFTER_S = 60.0
MEMO_ENTRIES = 4096
SEED = 0

calls_of_task: ContextVar[list[int] | None] = ContextVar("calls_of_task", default=None)
"""A one-element list that counts the HTTP requests made on behalf of the current task."""


class JudgeAnswerError(Exception):
    """The judge answered, but not with what was asked for. Names the reason, never the text."""


class _Passing(Exception):
    """A failure worth another try; `after` is what the server asked to wait, in seconds."""

    def __init__(self, reason: str, after: float | None = None, outage: bool = True) -> None:
        super().__init__(reason)
        self.after, self.outage = after, outage


def bare_json(text: str) -> str:
    """The JSON object in a model's answer: what follows the last `</think>`, from the first brace to the last."""
    text = text[text.rfind("</think>") + 8 :] if "</think>" in text else text
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise ValueError("no JSON object in the answer")
    return text[start : end + 1]


def retry_after_s(value: str | None) -> float | None:
    """Seconds a `Retry-After` header asks for (a number or a date), at most 60; None without a usable one."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None


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
        headers = {"content-type": "application/json", **_authorization(self.config.api_key_file)}
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
            return self._memo[key]
        task = self._inflight.get(key)
        if task is None:
            task = self._inflight[key] = asyncio.ensure_future(self._ask(prompt, name, schema, parse))
            task.add_done_callback(lambda done: self._settle(key, done))
        return await asyncio.shield(task)

    def _settle(self, key: bytes, task: asyncio.Future[Any]) -> None:
        """A finished question leaves the flight; only a good answer is remembered."""
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
            found = await self._request(self._embedding_url, body, lambda document: _vectors(document, len(missing)))
            self._vectors.update(zip(missing, found, strict=True))
        result = [self._vectors[text] for text in texts]
        while len(self._vectors) > MEMO_ENTRIES:
            self._vectors.popitem(last=False)
        return result

    async def _request(self, url: str, body: dict[str, Any], accept: Callable[[Any], T]) -> T:
        """Post until an acceptable answer came or the tries are used up."""
        import orjson

        payload = orjson.dumps(body)
        for turn in range(1, self.config.tries + 1):
            try:
                return await self._post(url, payload, accept)
            except _Passing as error:
                if turn == self.config.tries:
                    raise self._given_up(url, error) from None
                pause = min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** (turn - 1)) * random.uniform(0.5, 1.0)
                await asyncio.sleep(max(pause, error.after or 0.0))
            if "seed" in body:
                payload = orjson.dumps(body | {"seed": SEED + turn})
        raise AssertionError("tries is at least 1")

    def _given_up(self, url: str, error: _Passing) -> Exception:
        if not error.outage:
            return JudgeAnswerError(f"no acceptable answer in {self.config.tries} tries: {error}")
        return TransientError(f"judge {url}: {error}, {self.config.tries} tries: start it or correct base_url, then run the same command again")

    async def _post(self, url: str, payload: bytes, accept: Callable[[Any], T]) -> T:
        """One request."""
        import aiohttp
        import orjson

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
                raise _Passing(f"no answer within {self.config.timeout_s:g} s") from None
            except aiohttp.ClientError as error:
                raise _Passing(f"not reachable ({type(error).__name__})") from None
        _check_status(response, url, self.config.model)
        self.answered += 1
        try:
            return accept(orjson.loads(raw))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise _Passing(f"unreadable answer ({type(error).__name__})", outage=False) from None


def _check_status(response: aiohttp.ClientResponse, url: str, model: str) -> None:
    """Raise what a status other than 200 stands for."""
    status = response.status
    if status == 200:
        return
    if status in (401, 403):
        raise AccessError(f"judge {url}: HTTP {status}: mount a valid key and name its file in api_key_file")
    if status == 404:
        raise ConfigError(f"judge {url}: HTTP 404: check base_url (it ends in /v1) and that the server has the model {model}")
    if status in RETRIED or status >= 500:
        raise _Passing(f"HTTP {status}", retry_after_s(response.headers.get("Retry-After")))
    raise JudgeAnswerError(f"the judge refused the request with HTTP {status}")


def _authorization(api_key_file: str) -> dict[str, str]:
    """The header with the mounted key; none without a file."""
    if not api_key_file:
        return {}
    try:
        key = Path(api_key_file).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigError(f"api_key_file {api_key_file}: no such file: mount the secret or leave api_key_file empty") from None
    except PermissionError:
        raise AccessError(f"api_key_file {api_key_file}: not readable: grant this user access to the mounted secret") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"api_key_file {api_key_file}: not a text file ({type(error).__name__})") from error
    if not key or not key.isprintable():
        raise ConfigError(f"api_key_file {api_key_file}: must hold one line with the key")
    return {"authorization": f"Bearer {key}"}


def _vectors(document: Any, count: int) -> list[Any]:
    """Vectors of an embeddings answer in the order of the texts; a zero or odd one is not acceptable."""
    import base64

    import numpy as np

    rows = sorted(document["data"], key=lambda row: row["index"])
    if [row["index"] for row in rows] != list(range(count)):
        raise ValueError("wrong number of embeddings")
    vectors = []
    for row in rows:
        value = row["embedding"]
        vector = np.frombuffer(base64.b64decode(value), "<f4") if isinstance(value, str) else np.asarray(value, "f4")
        if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
            raise ValueError("not an embedding")
        vectors.append(vector)
    return vectors
