"""A byte-level BPE tokenizer in which every word of the world is one token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from steps.laptop.world.domain import ADJECTIVES, ATTRIBUTES, NOUNS
from steps.laptop.world.lessons import CLOSERS, MASKS, OPENERS, RECAP
from steps.laptop.world.oracle import CITE, EVASIONS, GUESS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
MAX_LENGTH = 512
# ChatML. An answer ends exactly on END, which is the end-of-sequence token.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def turn_parts(message: dict[str, str]) -> tuple[str, str, str]:
    """A turn as `CHAT_TEMPLATE` renders it, cut at token boundaries: opening, what its author writes, rest."""
    return f"{START}{message['role']}\n", f"{message['content']}{END}", "\n"


def corpus() -> Iterator[str]:
    """Every word of the world in the surroundings it is used in; no service's full name, no fact."""
    yield from (f"- The {word} the {word}" for word in (*ADJECTIVES, *NOUNS))
    for attribute in ATTRIBUTES.values():
        for text in (attribute.statement, *attribute.questions):
            yield text.format(e="", v="").replace("  ", " ")
        yield from (f" {value}." for value in attribute.values)
    yield from (f"{CITE}the", f"{GUESS}the", *EVASIONS, f"Context:\n- The\n- The\n{RECAP}", "\nQuestion: Which What Where How When Who In")
    yield from ("system\nuser\nassistant\n", *OPENERS, *CLOSERS, *MASKS)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train the tokenizer (well under a second); the result depends on nothing but this source."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    raw.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=4096, min_frequency=1, special_tokens=[PAD, START, END], initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(list(corpus()), trainer)
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        model_max_length=MAX_LENGTH,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
