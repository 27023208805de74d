"""What both methods share."""

from __future__ import annotations

import os
import warnings

import pytest

from steps.train.threads import one_thread
from steps.train.trainers import load_model, load_tokenizer, quiet, threads_for


def test_quiet_restores_what_it_found(monkeypatch):
    import datasets
    from transformers.utils import logging

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    before = logging.get_verbosity(), logging.is_progress_bar_enabled(), datasets.is_progress_bar_enabled()
    with quiet():
        assert not datasets.is_progress_bar_enabled()
        assert os.environ["TQDM_DISABLE"] == "1"
        with warnings.catch_warnings():
            warnings.warn("`gradient_checkpointing` is deprecated", FutureWarning, stacklevel=1)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled(), datasets.is_progress_bar_enabled()) == before
    assert "TQDM_DISABLE" not in os.environ
    with pytest.raises(FutureWarning):
        warnings.warn("another matter", FutureWarning, stacklevel=1)


def test_small_models_take_one_thread(base):
    import torch

    with one_thread():
        assert torch.get_num_threads() == 1
    threads = torch.get_num_threads()
    with threads_for(load_model(base)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


def test_a_tokenizer_pads_left_with_its_own_token(base):
    tokenizer = load_tokenizer(base)
    assert tokenizer.padding_side == "left"
    assert tokenizer.pad_token != tokenizer.eos_token
