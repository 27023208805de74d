"""Rows that decode together: who is in the batch, and the keys and values they share.

Rows are aligned at their last token (left padding), so one column is added a step and
a row may join or leave at any step.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from steps.serve.model.sampling import NOT_A_NUMBER, Sampling, sample_tokens, uniform_stream
from steps.serve.model.text import TextStream

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DynamicCache

    from steps.serve.model.language_model import LanguageModel


@dataclass(slots=True)
class Row:
    """One answer being generated: choice number `choice` of a request.

    Attributes:
        prompt: token ids.
        sampling: how to draw.
        stream: whether text is wanted piece by piece.
        tokens: ids drawn so far, the ending one included.
        finish_reason: empty while running; then stop, length, abort or error.
        text: the whole answer once finished.
        came_at, began_at, first_at, last_at: monotonic seconds of arrival, prefill, first and newest token.
    """

    prompt: Sequence[int]
    sampling: Sampling
    choice: int = 0
    stream: bool = False
    deliver: Callable[[Row, str], None] | None = None
    tokens: list[int] = field(default_factory=list)
    finish_reason: str = ""
    text: str = ""
    cancelled: bool = False
    came_at: float = field(default_factory=time.monotonic)
    began_at: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0
    _uniform: random.Random | None = None
    _reader: TextStream | None = None

    def start(self, model: LanguageModel) -> None:
        """Prepare for generation."""
        self.began_at = time.monotonic()
        self._uniform = uniform_stream(self.sampling.seed, self.choice)
        if self.stream or self.sampling.stop:
            self._reader = TextStream(model.decode, self.sampling.stop)

    def draw(self) -> float:
        """The next number in [0, 1) of this row."""
        assert self._uniform is not None
        return self._uniform.random()

    def push(self, token: int, model: LanguageModel, now: float) -> str:
        """Take one token, maybe finish; returns new text to send if the row streams."""
        self.first_at = self.first_at or now
        self.last_at = now
        if token == NOT_A_NUMBER:
            self.finish_reason = "error"
            return ""
        self.tokens.append(token)
        if token in model.end_ids or (self._reader is not None and self._reader.push(token)):
            self.finish_reason = "stop"
        elif len(self.tokens) >= self.sampling.max_tokens:
            self.finish_reason = "length"
        if self.finish_reason:
            self._close(model)
        return self._reader.take(final=bool(self.finish_reason)) if self.stream and self._reader else ""

    def _close(self, model: LanguageModel) -> None:
        if self._reader is not None:
            self.text = self._reader.finish()
            if self._reader.stopped:
                self.finish_reason = "stop"
        else:
            ended = self.tokens[-1] in model.end_ids
            self.text = model.decode(self.tokens[:-1] if ended else self.tokens)


class Batch:
    """Running rows with their cache.

    Attributes:
        rows: in cache order.
        mask: (rows, columns) int64; 1 where a row has a token.
    """

    def __init__(self, rows: list[Row], cache: DynamicCache, mask: Tensor) -> None:
        self.rows, self.cache, self.mask = rows, cache, mask

    def join(self, other: Batch) -> None:
        """Take over the rows of `other`, padding the shorter cache on its left."""
        import torch
        from torch.nn.functional import pad

        columns = max(self.mask.shape[1], other.mask.shape[1])
        left, right = columns - self.mask.shape[1], columns - other.mask.shape[1]
        self.mask = torch.cat([pad(self.mask, (left, 0)), pad(other.mask, (right, 0))])
        for mine, theirs in zip(_attention(self.cache), _attention(other.cache), strict=True):
            mine.keys = torch.cat([pad(mine.keys, (0, 0, left, 0)), pad(theirs.keys, (0, 0, right, 0))])
            mine.values = torch.cat([pad(mine.values, (0, 0, left, 0)), pad(theirs.values, (0, 0, right, 0))])
        self.rows.extend(other.rows)

    def keep_running(self) -> None:
        """Drop finished rows, and the columns that were padding for all that remain."""
        import torch

        kept = [number for number, row in enumerate(self.rows) if not row.finish_reason]
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[number] for number in kept]
        if not kept:
            return
        index = torch.tensor(kept, device=self.mask.device)
        mask = self.mask.index_select(0, index)
        first = int(mask.any(dim=0).int().argmax())
        self.mask = mask[:, first:]
        for layer in _attention(self.cache):
            layer.keys = layer.keys.index_select(0, index)[:, :, first:]
            layer.values = layer.values.index_select(0, index)[:, :, first:]


def _attention(cache: DynamicCache) -> list[Any]:
    """The layers that hold keys and values, (rows, heads, columns, size) each; a layer that shares another's holds none."""
    return [layer for layer in cache.layers if getattr(layer, "keys", None) is not None]


def _draw(rows: list[Row], logits: Tensor) -> list[int]:
    """One token a row."""
    import torch

    numbers = torch.tensor(
        [[row.sampling.temperature, row.sampling.top_p, row.draw()] for row in rows], dtype=torch.float64, device=logits.device
    )
    return sample_tokens(logits, numbers[:, 0], numbers[:, 1], numbers[:, 2]).tolist()


def prefill(model: LanguageModel, rows: list[Row], pad_id: int = 0) -> tuple[Batch, list[int]]:
    """Read the prompts of new rows: their batch and the first token of each."""
    import torch
    from transformers import DynamicCache

    columns = max(len(row.prompt) for row in rows)
    ids = torch.tensor([[pad_id] * (columns - len(row.prompt)) + list(row.prompt) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (columns - len(row.prompt)) + [1] * len(row.prompt) for row in rows], device=model.device)
    batch = Batch(rows, DynamicCache(), mask)
    logits = model.forward(ids, mask, (mask.cumsum(dim=1) - 1).clamp(min=0), batch.cache)
    return batch, _draw(rows, logits)


def decode(model: LanguageModel, batch: Batch) -> list[int]:
    """One more token for every row of a batch."""
    import torch

    newest = torch.tensor([[row.tokens[-1]] for row in batch.rows], device=model.device)
    positions = batch.mask.sum(dim=1, keepdim=True)
    batch.mask = torch.cat([batch.mask, torch.ones_like(newest)], dim=1)
    return _draw(batch.rows, model.forward(newest, batch.mask, positions, batch.cache))
