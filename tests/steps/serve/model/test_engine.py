from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from steps.serve.model import engine as engine_module
from steps.serve.model.engine import Engine, Overloaded
from steps.serve.model.language_model import LanguageModel, load_language_model
from steps.serve.model.metrics import EngineMetrics
from steps.serve.model.sampling import Sampling


@pytest.fixture(scope="module")
def model(micro_model: Path) -> LanguageModel:
    return load_language_model(str(micro_model))


def with_engine(model: LanguageModel, work: Callable[[Engine], Awaitable[None]]) -> EngineMetrics:
    metrics = EngineMetrics("m")

    async def main() -> None:
        ready = threading.Event()
        engine = Engine(lambda: model, metrics, lambda error: ready.set())
        engine.start(asyncio.get_running_loop())
        await asyncio.to_thread(ready.wait, 30)
        try:
            await asyncio.wait_for(work(engine), 30)
        finally:
            assert await asyncio.to_thread(engine.close)

    asyncio.run(main())
    return metrics


def test_more_requests_than_rows_are_all_answered(model: LanguageModel) -> None:
    async def work(engine: Engine) -> None:
        prompt = model.encode_chat([{"role": "user", "content": "Aurora"}])
        answers = [engine.submit(prompt, Sampling(5, seed=number), count=10) for number in range(20)]
        rows = [row for answer in answers for row in await answer.finished()]
        assert len(rows) == 200
        assert {row.finish_reason for row in rows} <= {"stop", "length"}
        assert all(row.text for row in rows if row.finish_reason == "length")

    text = with_engine(model, work).render().decode()
    assert 'vllm:num_requests_running{engine="0",model_name="m"} 0.0' in text
    assert 'vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 200.0' in text


def test_a_failing_step_ends_its_requests_and_not_the_engine(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = engine_module.decode, []

    def failing(*arguments: object) -> list[int]:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("out of memory, with words of a prompt")
        return real(*arguments)  # type: ignore[arg-type]

    async def work(engine: Engine) -> None:
        monkeypatch.setattr(engine_module, "decode", failing)
        prompt = model.encode_chat([{"role": "user", "content": "Aurora"}])
        greedy = Sampling(10, temperature=0.0)
        assert {row.finish_reason for row in await engine.submit(prompt, greedy, count=3).finished()} == {"error"}
        assert {row.finish_reason for row in await engine.submit(prompt, greedy, count=3).finished()} == {"length"}

    with_engine(model, work)


def test_the_queue_is_bounded(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_WAITING_ROWS", 4)

    async def work(engine: Engine) -> None:
        with pytest.raises(Overloaded):
            engine.submit([1], Sampling(1), count=5)

    with_engine(model, work)


def test_what_is_cancelled_is_aborted(model: LanguageModel) -> None:
    async def work(engine: Engine) -> None:
        prompt = model.encode_chat([{"role": "user", "content": "Aurora"}])
        answers = engine.submit(prompt, Sampling(200, temperature=0.0), count=2)
        answers.cancel()
        assert {row.finish_reason for row in await answers.finished()} == {"abort"}

    with_engine(model, work)


def test_a_model_that_cannot_be_loaded_is_reported() -> None:
    reported: list[BaseException | None] = []

    def load() -> LanguageModel:
        raise ValueError("broken")

    async def main() -> None:
        done = threading.Event()
        engine = Engine(load, EngineMetrics("m"), lambda error: (reported.append(error), done.set()))
        engine.start(asyncio.get_running_loop())
        await asyncio.to_thread(done.wait, 10)
        assert not engine.ready

    asyncio.run(main())
    assert isinstance(reported[0], ValueError)
