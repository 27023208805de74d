"""The generation thread: continuous batching over one model.

Requests wait in a queue; at every step new rows are prefilled and join the running
batch, and finished rows leave it. One thread owns the model; answers go back to the
event loop of whoever asked.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steps.serve.model.rows import Batch, Row, decode, prefill
from steps.serve.model.sampling import Sampling

if TYPE_CHECKING:
    from steps.serve.model.language_model import LanguageModel
    from steps.serve.model.metrics import EngineMetrics

log = logging.getLogger("ctp.serve")

MAX_ROWS = 64
MAX_WAITING_ROWS = 4096
PREFILL_TOKENS = 16384


class Overloaded(Exception):
    """Refusal of a request: too many answers wait already."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of one choice's answer.

    Attributes:
        choice: its number.
        text: new text (only when streaming).
        row: the finished row; None while it runs.
    """

    choice: int
    text: str
    row: Row | None


class Answers:
    """Handle of the answers to one request; one event loop only."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue()

    def add(self, piece: Piece) -> None:
        """Take a piece; called in the event loop."""
        self._pieces.put_nowait(piece)

    async def pieces(self) -> AsyncIterator[Piece]:
        """Every piece until all choices are finished."""
        open_choices = len(self.rows)
        while open_choices:
            piece = await self._pieces.get()
            open_choices -= piece.row is not None
            yield piece

    async def finished(self) -> list[Row]:
        """All rows, finished, by choice."""
        async for _ in self.pieces():
            pass
        return self.rows

    def cancel(self) -> None:
        """Give the answers up: running rows leave the batch at the next step."""
        for row in self.rows:
            row.cancelled = True


class Engine:
    """Owner of the model and its thread.

    Attributes:
        model: None until loaded.
        ready: whether the model has answered once.

    Args:
        load: makes the model, in the engine's thread.
        metrics: told about every token and answer.
        on_ready: called in the engine's thread with None when the model answers, or with what went wrong.
    """

    def __init__(self, load: Callable[[], LanguageModel], metrics: EngineMetrics, on_ready: Callable[[BaseException | None], None]) -> None:
        self._load, self._metrics, self._on_ready = load, metrics, on_ready
        self._waiting: collections.deque[Row] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._batch: Batch | None = None
        self._news: list[tuple[Row, str]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.model: LanguageModel | None = None
        self.ready = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start loading; answers will be delivered in `loop`."""
        self._loop = loop
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> bool:
        """Stop after the current step; whether the thread has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def submit(self, prompt: Sequence[int], sampling: Sampling, *, count: int = 1, stream: bool = False) -> Answers:
        """Queue `count` answers to one prompt.

        Raises:
            Overloaded: the queue is full.
        """
        rows = [Row(prompt, sampling, choice=choice, stream=stream) for choice in range(count)]
        answers = Answers(rows)
        for row in rows:
            row.deliver = lambda row, text: answers.add(Piece(row.choice, text, row if row.finish_reason else None))
        with self._changed:
            if len(self._waiting) + count > MAX_WAITING_ROWS:
                raise Overloaded
            self._waiting.extend(rows)
            self._changed.notify()
        return answers

    def _run(self) -> None:
        try:
            self.model = self._load()
            self._warm(self.model)
        except BaseException as error:  # noqa: BLE001 - the server's main thread reports it and ends
            self._on_ready(error)
            return
        self.ready = True
        self._on_ready(None)
        while self._wait():
            self._step(self.model)

    def _warm(self, model: LanguageModel) -> None:
        """Make the first forward passes, which are slow, before anybody waits."""
        import torch

        end = min(model.end_ids, default=0)
        sampling = Sampling(max_tokens=2, seed=0)
        with torch.inference_mode():
            batch, firsts = prefill(model, [_warm_row(model, sampling, [end, end]), _warm_row(model, sampling, [end])])
            for row, token in zip(batch.rows, firsts, strict=True):
                row.tokens.append(token)
            decode(model, batch)

    def _wait(self) -> bool:
        """Sleep until there is work; False when closed."""
        with self._changed:
            while not self._closed and not self._waiting and self._batch is None:
                self._changed.wait()
            return not self._closed

    def _step(self, model: LanguageModel) -> None:
        import torch

        admitted = self._admit()
        try:
            with torch.inference_mode():
                if admitted:
                    self._join(model, admitted)
                if self._batch is not None:
                    self._advance(model, self._batch)
        except Exception as error:  # noqa: BLE001 - an engine failure ends its requests, not the server
            log.error("generation failed with %s: the running requests are answered with an error", type(error).__name__)
            self._fail(admitted)
        self._metrics.queue(len(self._batch.rows) if self._batch else 0, len(self._waiting))
        self._publish()

    def _admit(self) -> list[Row]:
        """Take waiting rows as long as the batch and one prefill have room."""
        room = MAX_ROWS - (len(self._batch.rows) if self._batch else 0)
        admitted: list[Row] = []
        longest = 0
        with self._changed:
            while self._waiting and len(admitted) < room:
                longest = max(longest, len(self._waiting[0].prompt))
                if admitted and longest * (len(admitted) + 1) > PREFILL_TOKENS:
                    break
                row = self._waiting.popleft()
                if row.cancelled:
                    row.finish_reason = "abort"
                    self._finish(row)
                else:
                    admitted.append(row)
        return admitted

    def _join(self, model: LanguageModel, rows: list[Row]) -> None:
        for row in rows:
            row.start(model)
        batch, tokens = prefill(model, rows)
        self._metrics.prefilled(sum(len(row.prompt) for row in rows))
        self._push(model, rows, tokens)
        batch.keep_running()
        if not batch.rows:
            return
        if self._batch is None:
            self._batch = batch
        else:
            self._batch.join(batch)

    def _advance(self, model: LanguageModel, batch: Batch) -> None:
        for row in batch.rows:
            if row.cancelled:
                row.finish_reason = "abort"
                self._finish(row)
        batch.keep_running()
        if batch.rows:
            self._push(model, batch.rows, decode(model, batch))
            batch.keep_running()
        if not batch.rows:
            self._batch = None

    def _push(self, model: LanguageModel, rows: list[Row], tokens: list[int]) -> None:
        now = time.monotonic()
        for row, token in zip(rows, tokens, strict=True):
            before = row.last_at
            text = row.push(token, model, now)
            self._metrics.token(now - before if before else None)
            if row.finish_reason:
                self._finish(row, text)
            elif text:
                self._news.append((row, text))

    def _finish(self, row: Row, text: str = "") -> None:
        self._metrics.finished(row)
        self._news.append((row, text))

    def _fail(self, admitted: list[Row]) -> None:
        """End every row that was in work with an error."""
        rows = {id(row): row for row in [*admitted, *(self._batch.rows if self._batch else ())]}
        self._batch = None
        for row in rows.values():
            if not row.finish_reason:
                row.finish_reason = "error"
                self._finish(row)

    def _publish(self) -> None:
        """Hand the news of this step to the event loop in one call."""
        news, self._news = self._news, []
        if not news or self._loop is None:
            return

        def deliver() -> None:
            for row, text in news:
                if row.deliver is not None:
                    row.deliver(row, text)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(deliver)


def _warm_row(model: LanguageModel, sampling: Sampling, prompt: list[int]) -> Row:
    row = Row(prompt, replace(sampling), choice=0)
    row.start(model)
    return row
