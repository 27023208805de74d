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

    role: Literal["system", "user", "assistant", "tool"] = Field(description="who speaks")
    content: str = Field(description="what is said")
    tool_calls: list[dict[str, Any]] = Field(default=[], description="calls in OpenAI form, arguments as JSON text")
    tool_call_id: str = Field(default="", description="the call that a tool message answers")
    reasoning_content: str = Field(default="", description="the model's thought")

    def rendered(self) -> dict[str, Any]:
        """The message as chat templates want it: arguments as an object, and no field that is empty but `content`."""
        value = self.model_dump(exclude_defaults=True) | {"content": self.content}
        if self.tool_calls:
            value["tool_calls"] = [
                call | {"function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
                for call in self.tool_calls
            ]
        return value


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore")

    prompt_key: str = Field(default="", description="names the prompt")
    messages: list[Message] = Field(min_length=1, description="the conversation up to the answer")
    contexts: list[str] = Field(default=[], description="texts that were retrieved for the question")
    question: str = Field(default="", description="the last question of the user")
    tools: list[dict[str, Any]] = Field(default=[], description="tools that were offered, in OpenAI form")


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
        rows: for DPO prompt, chosen, rejected; for GRPO prompt, question, contexts; with tools when a row has any.
        skipped_too_long: rows left out because they exceed the length limit.
        skipped_tools: rows left out because the chat template does not show their tools or calls.
    """

    rows: list[dict[str, Any]]
    skipped_too_long: int
    skipped_tools: int = 0


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


def _tokens(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], *, prompt: bool, **template: Any) -> int:
    return len(tokenizer.apply_chat_template(messages, add_generation_prompt=prompt, return_dict=False, **template))


def shows_tools(tokenizer: PreTrainedTokenizerBase, **template: Any) -> bool:
    """Whether a chat template shows tools and calls as the server does: names in the text, arguments neither quoted twice nor None.

    Templates fail here in every way: some ignore tools, some raise, some print what they cannot show.
    """
    call = {"id": "call_1", "type": "function", "function": {"name": "probe_tool", "arguments": {"key": "probe value"}}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "probe"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "probe result"},
    ]
    schema = {"type": "object", "properties": {"key": {"type": "string"}}}
    tools: list[Any] = [{"type": "function", "function": {"name": "probe_offer", "description": "", "parameters": schema}}]
    try:
        text = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True, **template)
    except Exception:  # noqa: BLE001 - a template is a program of its own and raises what it likes
        return False
    return (
        all(word in text for word in ("probe_offer", "probe_tool", "probe value", "probe result"))
        and '\\"' not in text
        and "None" not in text
    )


def fit_rows(rows: list[Row], tokenizer: PreTrainedTokenizerBase, max_tokens: int, answer_tokens: int, **template: Any) -> TrainRows:
    """Conversational rows for the trainer, without those longer than `max_tokens` (prompt and answer together).

    Cutting a prompt would train on a question without its contexts, so a long row is left out and counted; so is a row
    with tools when the template does not show them, for the model would be trained on prompts that it is never served.
    For prompts `answer_tokens` are reserved for the sampled answer. `template` is for the chat template, such as
    `enable_thinking`.

    Raises:
        DataError: nothing is left.
    """
    kept: list[dict[str, Any]] = []
    skipped_tools = 0
    has_tools = [bool(row.tools) or any(message.tool_calls or message.role == "tool" for message in row.messages) for row in rows]
    can_show = any(has_tools) and shows_tools(tokenizer, **template)
    for row, needs_tools in zip(rows, has_tools, strict=True):
        if needs_tools and not can_show:
            skipped_tools += 1
            continue
        messages = [message.rendered() for message in row.messages]
        options = {**template, **({"tools": row.tools} if row.tools else {})}
        fitted: dict[str, Any] = {"prompt": messages}
        if can_show:
            fitted["tools"] = row.tools
        if isinstance(row, PairRow):
            answers = [[{"role": "assistant", "content": text}] for text in (row.chosen, row.rejected)]
            length = max(_tokens(tokenizer, messages + answer, prompt=False, **options) for answer in answers)
            fitted |= {"chosen": answers[0], "rejected": answers[1]}
        else:
            length = _tokens(tokenizer, messages, prompt=True, **options) + answer_tokens
            fitted |= {"question": row.question, "contexts": row.contexts}
        if length <= max_tokens:
            kept.append(fitted)
    if not kept and skipped_tools:
        raise DataError(f"{skipped_tools} rows have tools and the base model's chat template does not show them: train another base model")
    if not kept:
        raise DataError(f"every row is longer than {max_tokens} tokens: raise train.max_length_tokens (train.nemo.max_length_tokens)")
    return TrainRows(kept, len(rows) - len(kept) - skipped_tools, skipped_tools)


def as_dataset(rows: list[dict[str, Any]]) -> Any:
    """Rows as a `datasets.Dataset`. Messages with calls are JSON, since Arrow structs would fill every missing argument with None."""
    from datasets import Dataset, Features, Json

    if "tools" not in rows[0]:
        return Dataset.from_list(rows)
    return Dataset.from_list(rows, features=Features({name: Json() for name in rows[0]}))
