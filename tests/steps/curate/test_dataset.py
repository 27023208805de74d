"""The dataset file, its digest and its rows in the lake."""

from __future__ import annotations

import json

from steps.contract.files import sha256_file
from steps.curate.dataset import lake_rows, rows, write_dataset
from steps.curate.pairs import Pair, Selection


def selection(make_trace):
    good, bad = make_trace("good", answer="8443."), make_trace("bad", answer="I do not know.", score=0.1)
    return Selection(pairs=(Pair(good, bad),), prompts=(good,), excluded={})


def test_pairs_come_before_prompts_and_only_pairs_hold_answers(make_trace):
    pair, prompt = rows(selection(make_trace))
    assert (pair["kind"], pair["chosen"], pair["rejected"], pair["chosen_trace_id"]) == ("pair", "8443.", "I do not know.", "good")
    assert prompt["kind"] == "prompt" and "chosen" not in prompt
    assert {key: pair[key] for key in prompt if key != "kind"} == {key: prompt[key] for key in prompt if key != "kind"}


def test_the_file_is_named_by_its_content(tmp_path, make_trace):
    dataset = rows(selection(make_trace))
    path, digest = write_dataset(tmp_path, dataset)
    assert path.name == f"{digest}.jsonl" and sha256_file(path) == digest
    assert [json.loads(line) for line in path.read_text().splitlines()] == dataset
    assert write_dataset(tmp_path, dataset[::-1])[1] != digest and write_dataset(tmp_path, dataset) == (path, digest)
    assert write_dataset(tmp_path, [])[0].read_text() == ""


def test_the_lake_gets_the_same_rows_in_their_order(make_trace):
    dataset = rows(selection(make_trace))
    table = lake_rows(dataset, "d" * 64).to_pylist()
    assert [row["row"] for row in table] == [0, 1] and {row["dataset_digest"] for row in table} == {"d" * 64}
    assert (
        json.loads(table[0]["messages_json"]) == dataset[0]["messages"] and json.loads(table[0]["contexts_json"]) == dataset[0]["contexts"]
    )
    assert (table[0]["chosen_score"], table[1]["chosen_score"], table[1]["rejected"]) == (0.9, None, None)
