"""A real offline judge, and real HTTP servers that misbehave on demand."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from steps.cluster.process import ServerProcess
from steps.contract.config import JudgeConfig

from ...golden import golden_file, make_golden  # noqa: F401

Handler = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture(scope="session")
def judge_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ServerProcess("judge", {}, log_file=tmp_path_factory.mktemp("judge") / "judge.log") as server:
        yield server.wait_healthy().url + "/v1"


def judge_config(url: str, **changes: Any) -> JudgeConfig:
    return JudgeConfig(**{"base_url": url, "model": "lexical-entailment-coverage", "timeout_s": 5.0} | changes)


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Base URL of a server whose every route is `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/v1"))


def completion(content: str | None, finish_reason: str = "stop") -> web.Response:
    """A chat completion with this content."""
    return web.json_response({"choices": [{"finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}]})


def halueval_rows(count: int) -> list[dict[str, str]]:
    """The first rows of HaluEval QA, or a skip that says what is missing."""
    folder = Path(os.environ.get("CTP_SHARED_DATA") or Path(__file__).parents[3].parent / "shared" / "data")
    path = folder / "halueval_qa.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set CTP_SHARED_DATA to the folder that holds halueval_qa.jsonl")
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line, _ in zip(file, range(count), strict=False)]


@pytest.fixture(scope="session")
def lab() -> SimpleNamespace:
    """What the tests of this folder share: `judge_config`, `serving`, `completion`, `halueval_rows`."""
    return SimpleNamespace(judge_config=judge_config, serving=serving, completion=completion, halueval_rows=halueval_rows)
