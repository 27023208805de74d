from __future__ import annotations

from pathlib import Path

import pytest
import torch

from steps.serve.model.language_model import LanguageModel, PromptError, load_language_model
from steps.serve.model.rows import Batch, Row, decode, prefill
from steps.serve.model.sampling import Sampling


@pytest.fixture(scope="module")
def model(micro_model: Path) -> LanguageModel:
    return load_language_model(str(micro_model))


def row(model: LanguageModel, text: str, seed: int, max_tokens: int = 12) -> Row:
    made = Row(model.encode_chat([{"role": "user", "content": text}]), Sampling(max_tokens, seed=seed))
    made.start(model)
    return made


def push(model: LanguageModel, rows: list[Row], tokens: list[int]) -> None:
    for one, token in zip(rows, tokens, strict=True):
        one.push(token, model, 1.0)


def advance(model: LanguageModel, batch: Batch) -> None:
    rows = list(batch.rows)
    push(model, rows, decode(model, batch))
    batch.keep_running()


def alone(model: LanguageModel, text: str, seed: int, max_tokens: int = 12) -> list[int]:
    one = row(model, text, seed, max_tokens)
    batch, tokens = prefill(model, [one])
    push(model, [one], tokens)
    batch.keep_running()
    while batch.rows:
        advance(model, batch)
    return one.tokens


@torch.inference_mode()
def test_rows_that_join_and_leave_at_any_step_answer_as_if_alone(model: LanguageModel) -> None:
    asked = [("hi", 1, 3), ("Which port does Aurora listen on? " * 3, 2, 9), ("Aurora", 3, 12), ("team Lynx " * 5, 4, 12), ("x", 5, 1)]
    expected = [alone(model, *one) for one in asked]
    rows = [row(model, *one) for one in asked]
    batch, tokens = prefill(model, rows[:2])
    push(model, rows[:2], tokens)
    advance(model, batch)
    for late in (rows[2:3], rows[3:]):
        joining, tokens = prefill(model, late)
        push(model, late, tokens)
        joining.keep_running()
        batch.join(joining)
        advance(model, batch)
    while batch.rows:
        advance(model, batch)
    assert [one.tokens for one in rows] == expected


@torch.inference_mode()
def test_columns_that_only_pad_are_dropped(model: LanguageModel) -> None:
    rows = [row(model, "Aurora " * 20, 1, 2), row(model, "x", 2, 6)]
    batch, tokens = prefill(model, rows)
    push(model, rows, tokens)
    advance(model, batch)
    assert [one.finish_reason for one in rows] == ["length", ""]
    assert batch.mask.shape == (1, len(rows[1].prompt) + 1)
    assert batch.cache.layers[0].keys.shape[-2] == batch.mask.shape[1]


def test_the_tokens_are_those_of_generate(model: LanguageModel) -> None:
    one = Row(model.encode_chat([{"role": "user", "content": "Aurora"}]), Sampling(8, temperature=0.0))
    one.start(model)
    with torch.inference_mode():
        batch, tokens = prefill(model, [one])
        push(model, [one], tokens)
        while not one.finish_reason:
            advance(model, batch)
        whole = model._model.generate(torch.tensor([one.prompt]), max_new_tokens=8, do_sample=False)
    assert one.tokens == whole[0, len(one.prompt) :].tolist()


def test_a_conversation_that_the_template_refuses_is_the_callers_error(model: LanguageModel) -> None:
    template = model._tokenizer.chat_template
    model._tokenizer.chat_template = "{{ raise_exception('no') }}"
    try:
        with pytest.raises(PromptError, match="chat template"):
            model.encode_chat([{"role": "user", "content": "secret"}])
    finally:
        model._tokenizer.chat_template = template
