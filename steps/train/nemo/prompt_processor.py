"""Data processor of NeMo-RL: a row of the data file becomes a prompt to sample answers for. Run by NeMo-RL's own Python.

The stock processor takes the first message as the prompt and the second as the reference answer: a system
message would become the question. Ours renders all messages with the chat template.
Source: NeMo-RL v0.7.0, nemo_rl/data/interfaces.py (DatumSpec) and nemo_rl/data/processors.py.
"""

from __future__ import annotations

import json
from typing import Any

# Of a row that is too long; NeMo-RL's own processors keep as many.
STUB_TOKENS = 4


def prompt_processor(datum_dict: dict[str, Any], task_data_spec: Any, tokenizer: Any, max_seq_length: int, idx: int) -> dict[str, Any]:
    """One prompt, ready for generation, with what the judge needs beside it.

    Args:
        datum_dict: a row as ResponseDataset gives it; the second message is our JSON.
        task_data_spec: of NeMo-RL; its prompt files are unused.
        tokenizer: of the base model, with the chat template's settings.
        max_seq_length: a longer prompt counts for nothing; `nemo-prepare` left those out.
        idx: number of the row.
    """
    carried = json.loads(datum_dict["messages"][1]["content"])
    text = tokenizer.apply_chat_template(carried["messages"], tokenize=False, add_generation_prompt=True, add_special_tokens=False)
    tokens = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"][0]
    length, fits = len(tokens), len(tokens) < max_seq_length
    return {
        "message_log": [{"role": "user", "content": text, "token_ids": tokens if fits else tokens[:STUB_TOKENS]}],
        "length": length if fits else min(length, STUB_TOKENS),
        "extra_env_info": {"question": carried["question"], "contexts": carried["contexts"]},
        "loss_multiplier": 1.0 if fits else 0.0,
        "idx": idx,
        "task_name": datum_dict["task_name"],
    }
