"""One thread for reproducible results."""

from __future__ import annotations

import pytest
import torch

from steps.train.threads import one_thread


def test_threads_come_back_also_after_an_error():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="no"), one_thread():
            assert torch.get_num_threads() == 1
            raise ValueError("no")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
