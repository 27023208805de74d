"""Rows of a curated dataset file, checked one by one and cut to what fits the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steps.contract.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"] = Field(description="who speaks")
    content: str = Field(description="what is said")


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")

    prompt_key: str = Field(default="", description="names the prompt")
    messages: list[Message] = Field(min_length=1, description="the conversation up to the answer")
    contexts: list[str] = Field(default=[], description="texts that were retrieved for the question")
    question: str = Field(default="", description="the last question of the user")


class PairRow(_Row):
    """A preference: what the agent was asked, a better and a worse answer."""

    kind: Literal["pair"] = Field(description="a preference pair")
    chosen: str = Field(min_length=1, description="the better answer")
    rejected: str = Field(description="the worse answer")


class PromptRow(_Row):
    """A question to practise on; answers are sampled and scored while training."""

    kind: Literal["prompt"] = Field(description="a prompt")


Row = PairRow | PromptRow


@dataclass(frozen=True)
class TrainRows:
    """What a trainer reads: conversational rows in file order.

    Attributes:
        rows: for DPO prompt, chosen, rejected; for GRPO prompt, question, contexts.
        skipped_too_long: rows left out because they exceed the length limit.
    """

    rows: list[dict[str, Any]]
    skipped_too_long: int


def read_rows(path: Path, kind: Literal["pair", "prompt"]) -> list[Row]:
    """Rows of one kind, in file order; rows of the other kind are passed over.

    Raises:
        DataError: a line is no JSON object, has an unknown kind, lacks a field, or no row has the kind.
    """
    models: dict[str, type[Row]] = {"pair": PairRow, "prompt": PromptRow}
    rows: list[Row] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                value = json.loads(line)
                row_kind = value["kind"]
                if row_kind == kind:
                    rows.append(models[kind].model_validate(value))
                elif row_kind not in models:
                    raise DataError(f"{path}: line {number}: kind must be pair or prompt: curate the dataset again")
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"])
                raise DataError(f"{path}: line {number}: {field}: {first['msg']}: curate the dataset again") from None
            except (json.JSONDecodeError, KeyError, TypeError):
                raise DataError(f"{path}: line {number}: not a JSON object with a kind: curate the dataset again") from None
    if not rows:
        raise DataError(f"{path}: no row of kind {kind!r}: curate more traces, or train with the other method")
    return rows


def _tokens(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], *, prompt: bool, **template: Any) -> int:
    return len(tokenizer.apply_chat_template(messages, add_generation_prompt=prompt, return_dict=False, **template))


def fit_rows(rows: list[Row], tokenizer: PreTrainedTokenizerBase, max_tokens: int, answer_tokens: int, **template: Any) -> TrainRows:
    """Conversational rows for the trainer, without those longer than `max_tokens` (prompt and answer together).

    Cutting a prompt would train on a question without its contexts, so a long row is
    left out and counted. For prompts `answer_tokens` are reserved for the sampled answer.
    `template` is for the chat template, such as `enable_thinking`.

    Raises:
        DataError: nothing is left.
    """
    kept: list[dict[str, Any]] = []
    for row in rows:
        messages = [message.model_dump() for message in row.messages]
        fitted: dict[str, Any] = {"prompt": messages}
        if isinstance(row, PairRow):
            answers = [[{"role": "assistant", "content": text}] for text in (row.chosen, row.rejected)]
            length = max(_tokens(tokenizer, messages + answer, prompt=False, **template) for answer in answers)
            fitted |= {"chosen": answers[0], "rejected": answers[1]}
        else:
            length = _tokens(tokenizer, messages, prompt=True, **template) + answer_tokens
            fitted |= {"question": row.question, "contexts": row.contexts}
        if length <= max_tokens:
            kept.append(fitted)
    if not kept:
        raise DataError(f"every row is longer than {max_tokens} tokens: raise train.max_length_tokens (train.nemo.max_length_tokens)")
    return TrainRows(kept, len(rows) - len(kept))
