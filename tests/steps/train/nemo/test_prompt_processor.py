"""A row of the data file as a prompt to sample answers for."""

from __future__ import annotations

import json

from steps.train.nemo.nemo_prepare import run
from steps.train.nemo.paths import TrainingPaths
from steps.train.nemo.prompt_processor import prompt_processor


def test_a_prompt_is_rendered_with_all_its_messages(nemo, tmp_path):
    import torch

    from steps.train.trainers import load_tokenizer

    made = run(nemo.params(method="grpo"), nemo.ctx(tmp_path))
    where = TrainingPaths(tmp_path, made.key, nemo.params().dataset.sha256)
    row = json.loads((where.data / "train.jsonl").read_text().splitlines()[0])
    # As ResponseDataset makes it.
    datum = {
        "messages": [{"role": "user", "content": row["input"]}, {"role": "assistant", "content": row["output"]}],
        "task_name": f"{made.key}-train",
    }
    tokenizer = load_tokenizer(nemo.base)
    spec = prompt_processor(datum, None, tokenizer, 384, 3)
    carried = json.loads(row["output"])
    (message,) = spec["message_log"]
    assert message["token_ids"].dtype == torch.int64 and spec["length"] == len(message["token_ids"]) and spec["loss_multiplier"] == 1.0
    wanted = tokenizer.apply_chat_template(carried["messages"], add_generation_prompt=True, return_dict=False)
    assert message["token_ids"].tolist() == wanted
    assert spec["extra_env_info"] == {"question": carried["question"], "contexts": carried["contexts"]}
    assert (spec["idx"], spec["task_name"]) == (3, f"{made.key}-train")
    short = prompt_processor(datum, None, tokenizer, 8, 3)
    assert short["loss_multiplier"] == 0.0 and len(short["message_log"][0]["token_ids"]) == short["length"] == 4
