"""Threads of the numeric libraries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one CPU thread: results are reproducible, and small models are faster.

    OpenMP's waiting threads spin; on a busy machine two of them make a step of a small
    model several times slower than one.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
