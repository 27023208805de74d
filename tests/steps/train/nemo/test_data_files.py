"""Data files of NeMo-RL."""

from __future__ import annotations

import json

from steps.train.nemo.data_files import as_lines, hold_out

ASKED = [{"role": "system", "content": "Use the contexts."}, {"role": "user", "content": "When?"}]
PAIR = {
    "prompt": ASKED,
    "chosen": [{"role": "assistant", "content": "At 9."}],
    "rejected": [{"role": "assistant", "content": "Who knows?"}],
}
PROMPT = {"prompt": ASKED, "question": "When?", "contexts": ["It opens at 9."]}


def test_a_pair_is_a_preference_with_two_ranks():
    (row,) = map(json.loads, as_lines([PAIR], "dpo").splitlines())
    assert row["context"] == ASKED
    assert [(item["rank"], item["completion"]) for item in row["completions"]] == [(0, PAIR["chosen"]), (1, PAIR["rejected"])]


def test_a_prompt_carries_messages_and_contexts_in_its_output():
    (row,) = map(json.loads, as_lines([PROMPT], "grpo").splitlines())
    assert row.keys() == {"input", "output"} and row["input"] == "When?", "a column called messages would be taken for the conversation"
    assert json.loads(row["output"]) == {"messages": ASKED, "question": "When?", "contexts": ["It opens at 9."]}


def rows_of(count, each=1):
    return [{"prompt": [{"role": "user", "content": f"question {number}"}], "n": turn} for number in range(count) for turn in range(each)]


def test_all_rows_of_a_prompt_are_on_one_side_whatever_their_order():
    rows = rows_of(200, each=2)
    train, held = hold_out(rows, 0.1, 256)
    asked = [{row["prompt"][0]["content"] for row in side} for side in (train, held)]
    assert not asked[0] & asked[1] and len(train) + len(held) == 400 and 20 < len(held) < 70
    again = hold_out(rows[::-1], 0.1, 256)
    assert again[1][::-1] == held and again[0][::-1] == train


def test_there_is_always_a_row_to_validate_with_and_never_too_many():
    assert [len(side) for side in hold_out(rows_of(5), 1e-9, 256)] == [4, 1]
    assert [len(side) for side in hold_out(rows_of(100), 0.5, 7)] == [93, 7]
    assert [len(side) for side in hold_out(rows_of(1, each=3), 0.5, 256)] == [0, 3]
