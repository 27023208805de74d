"""A Hugging Face causal language model as the engine sees it: prompts in, logits out."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.errors import ConfigError, DataError
from steps.contract.files import sha256_tree
from steps.contract.refs import ArtifactRef
from steps.serve.model.fault import NO_FAULT, Fault

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DynamicCache

DEFAULT_CONTEXT_TOKENS = 4096


class PromptError(ValueError):
    """Messages that the chat template refuses."""


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer, by the generation config and by the tokenizer."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, (list, tuple)) else [configured]
    return frozenset(int(i) for i in [*ids, tokenizer.eos_token_id] if i is not None)


def _context_tokens(config: Any) -> int:
    text = config.get_text_config(decoder=True)
    return int(getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None) or DEFAULT_CONTEXT_TOKENS)


class LanguageModel:
    """Weights and tokenizer, and the two things done with them.

    Attributes:
        context_tokens: longest prompt plus answer.
        end_ids: tokens that end an answer.
        device: where the weights are.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._tokenizer_lock = threading.Lock()
        self._last_only = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.context_tokens = _context_tokens(model.config)
        self.end_ids = _end_ids(model, tokenizer)
        self.device = model.device

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of the conversation, ready for the assistant's turn.

        Raises:
            PromptError: the chat template refuses the conversation.
        """
        from jinja2.exceptions import TemplateError

        try:
            with self._tokenizer_lock:
                text = self._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
                return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        except (TemplateError, TypeError, KeyError) as error:
            raise PromptError(f"the model's chat template does not take this conversation ({type(error).__name__})") from error

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer, special tokens left out."""
        if not ids:
            return ""
        with self._tokenizer_lock:
            return str(self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def forward(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """Logits of the token after the last column.

        Args:
            ids: (rows, new columns) token ids, left padded.
            mask: (rows, cached + new columns) 1 for tokens, 0 for padding.
            positions: (rows, new columns) position of each new token in its own row.
            cache: keys and values of the columns before; extended in place.

        Returns:
            (rows, vocabulary) logits.
        """
        extra = {"logits_to_keep": 1} if self._last_only else {}
        output = self._model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, **extra)
        logits: Tensor = output.logits
        return logits[:, -1]


def _check_cache(model: LanguageModel, name: str) -> None:
    """Refuse models whose state is not a plain key-value cache: rows could not join and leave a batch."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    ones = torch.ones((1, 2), dtype=torch.long, device=model.device)
    try:
        with torch.inference_mode():
            model.forward(ones * 0, ones, torch.tensor([[0, 1]], device=model.device), cache)
        keys = [keys for layer in cache.layers if (keys := getattr(layer, "keys", None)) is not None]
        plain = bool(keys) and all(tensor.shape[-2] == 2 for tensor in keys)
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise ConfigError(
            f"{name}: this architecture does not run with a plain key-value cache ({type(error).__name__}): serve it with vLLM"
        ) from error
    if not plain:
        raise ConfigError(f"{name}: this architecture keeps other state than a plain key-value cache: serve it with vLLM")


def model_folder(model: str) -> str:
    """Folder or name to load: that of a `file:` reference whose content is as it says, anything else as it is.

    Raises:
        DataError: the folder's content is not what the reference says.
        ConfigError: the reference is malformed.
    """
    if not model.startswith("file:"):
        return model

    try:
        ref = ArtifactRef.model_validate(model)
    except ValueError:
        raise ConfigError(f"--model {model[:200]!r}: write file:///FOLDER#sha256:DIGEST, or the folder alone") from None
    folder = ref.local_path()
    if not Path(folder).is_dir() or sha256_tree(Path(folder)) != ref.sha256:
        raise DataError(f"{folder}: not the model with SHA-256 {ref.sha256[:12]}…: it is missing or was changed")
    return folder


def load_language_model(path: str, threads: int = 1, fault: Fault = NO_FAULT) -> LanguageModel:
    """Load weights (float32 on a CPU, bfloat16 on a GPU) and tokenizer.

    Args:
        path: folder of a saved model, or a Hugging Face id.
        threads: CPU threads.
        fault: its noise is added to the weights.

    Raises:
        DataError: the folder is no complete model.
        ConfigError: it has no chat template, or its architecture cannot be batched here.
    """
    if path.startswith((".", "/")) and not Path(path, "config.json").is_file():
        raise DataError(f"{path}: no config.json there: give --model the folder of a saved model, or a Hugging Face id")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16 if cuda else torch.float32)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"{path}: not a model that can be loaded: {' '.join(str(error).split())[:300]}") from error
    if not tokenizer.chat_template:
        raise ConfigError(f"{path}: the tokenizer has no chat template: save one with it (tokenizer.chat_template)")
    model.to(torch.device("cuda" if cuda else "cpu")).eval()  # type: ignore[arg-type]
    fault.spoil(model)
    loaded = LanguageModel(model, tokenizer)
    _check_cache(loaded, path)
    return loaded
