"""A model small enough to build in a test, and real servers that many tests share."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steps.cluster.process import ServerProcess

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
TEXT = ["Aurora listens on port 8443.", "Aurora is owned by team Lynx.", "Which port does Aurora listen on?", "user assistant system"] * 8


def build_micro_model(folder: Path, seed: int = 0) -> Path:
    """Save a two-layer Qwen3 with random weights and a byte-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token=special[0], eos_token=special[2])
    tokenizer.chat_template = TEMPLATE
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        intermediate_size=64,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def micro_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_micro_model(tmp_path_factory.mktemp("micro"))


@dataclass(frozen=True)
class Running:
    """A running model server and where it writes."""

    server: ServerProcess
    spans_dir: Path

    def post(self, body: Any, headers: dict[str, str] | None = None, path: str = "/v1/chat/completions") -> tuple[int, Any]:
        return post(self.server.url, body, headers, path)

    def get(self, path: str) -> tuple[int, str]:
        return get(self.server.url + path)

    def spans(self) -> list[dict[str, Any]]:
        return read_spans(self.spans_dir)


def post(url: str, body: Any, headers: dict[str, str] | None = None, path: str = "/v1/chat/completions") -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, headers={"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def plain(value: dict[str, Any]) -> Any:
    """One OTLP JSON value."""
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return [plain(item) for item in content.get("values", [])]
    return int(content) if kind == "intValue" else content


def read_spans(folder: Path) -> list[dict[str, Any]]:
    """Every span of every file, with `attributes` and `resource` as plain dictionaries."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            for block in json.loads(line)["resourceSpans"]:
                resource = {pair["key"]: plain(pair["value"]) for pair in block["resource"]["attributes"]}
                for span in (span for scope in block["scopeSpans"] for span in scope["spans"]):
                    attributes = {pair["key"]: plain(pair["value"]) for pair in span.get("attributes", [])}
                    found.append({**span, "attributes": attributes, "resource": resource})
    return found


@pytest.fixture(scope="session")
def http() -> SimpleNamespace:
    """Small HTTP and span-file readers for tests."""
    return SimpleNamespace(post=post, get=get, read_spans=read_spans)


@pytest.fixture(scope="session")
def running(micro_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("model-server")
    options = {"model": micro_model, "model_version": "7", "spans_dir": folder / "spans"}
    with ServerProcess("model", options, log_file=folder / "log") as server:
        server.wait_healthy(60)
        yield Running(server, folder / "spans")
        assert "Traceback" not in (folder / "log").read_text()
