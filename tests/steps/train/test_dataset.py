"""Curated rows: read strictly, left out when too long."""

from __future__ import annotations

import pytest

from steps.contract.errors import DataError
from steps.train.dataset import fit_rows, read_rows
from steps.train.trainers import load_tokenizer


@pytest.fixture(scope="module")
def tokenizer(base):
    return load_tokenizer(base)


@pytest.mark.parametrize("kind", ["pair", "prompt"])
def test_rows_of_one_kind_in_file_order(kind, make, tmp_path):
    make.write(tmp_path / "d.jsonl", make.rows(5))
    assert [row.prompt_key for row in read_rows(tmp_path / "d.jsonl", kind)] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not a JSON object"),
        ("[]", "line 2: not a JSON object"),
        ('{"chosen": "x"}', "line 2: not a JSON object with a kind"),
        ('{"kind": "triple"}', "line 2: kind must be pair or prompt"),
        ('{"kind": "pair", "messages": [{"role": "user", "content": "x"}], "rejected": ""}', "line 2: chosen: Field required"),
        ('{"kind": "pair", "messages": [], "chosen": "a", "rejected": "b"}', "line 2: messages: List should have at least 1"),
        ('{"kind": "pair", "messages": [{"role": "bot", "content": "x"}], "chosen": "a", "rejected": "b"}', "line 2: messages.0.role"),
    ],
)
def test_a_broken_line_is_named(line, message, make, tmp_path):
    path = tmp_path / "d.jsonl"
    make.write(path, make.rows(1)[:1])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match="curate the dataset again") as caught:
        read_rows(path, "pair")
    assert message in str(caught.value)
    assert "x" not in str(caught.value).replace(str(path), "").split(": ")[-1], "no text of the row in the message"


def test_no_row_of_the_kind(make, tmp_path):
    make.write(tmp_path / "d.jsonl", make.rows(2)[::2])
    with pytest.raises(DataError, match="no row of kind 'prompt'"):
        read_rows(tmp_path / "d.jsonl", "prompt")


def test_long_rows_are_left_out_and_counted(make, tokenizer, tmp_path):
    rows = make.rows(3)
    rows[2]["chosen"] = "word " * 100
    make.write(tmp_path / "d.jsonl", rows)
    data = fit_rows(read_rows(tmp_path / "d.jsonl", "pair"), tokenizer, 120, 24)
    assert (len(data.rows), data.skipped_too_long) == (2, 1)
    assert data.rows[0]["prompt"] == rows[0]["messages"]
    assert data.rows[0]["chosen"] == [{"role": "assistant", "content": rows[0]["chosen"]}]


def test_a_prompt_reserves_room_for_its_answer(make, tokenizer, tmp_path):
    make.write(tmp_path / "d.jsonl", make.rows(3))
    rows = read_rows(tmp_path / "d.jsonl", "prompt")
    assert fit_rows(rows, tokenizer, 90, 10).skipped_too_long == 0
    with pytest.raises(DataError, match="longer than 90 tokens"):
        fit_rows(rows, tokenizer, 90, 60)
