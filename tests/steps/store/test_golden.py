from __future__ import annotations

import json

import pytest

from steps.contract.errors import DataError
from steps.contract.files import sha256_file
from steps.contract.refs import ArtifactRef
from steps.store.golden import normalise, read_golden

ROW = {"id": "1", "question": "Which port?", "contexts": ["Port 1."], "messages": [{"role": "user", "content": "Which port?"}]}


@pytest.fixture
def write(tmp_path):
    def make(*lines, meta=None):
        path = tmp_path / "golden.jsonl"
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        if meta is not None:
            (tmp_path / "golden.meta.json").write_text(meta if isinstance(meta, str) else json.dumps(meta))
        return ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))

    return make


def test_gold_and_unknown_fields_are_optional(write):
    found = read_golden(write(ROW, "", ROW | {"id": "2", "gold": "1", "statement": "Port 1.", "topic": "net"}))
    assert [(item.id, item.gold) for item in found.items] == [("1", None), ("2", "1")]
    assert found.fluency_pattern is None


def test_the_pattern_of_the_metadata(write):
    ref = write(ROW)
    assert read_golden(write(ROW, meta={"fluency_pattern": r"Port \d\.", "sha256": ref.sha256})).fluency_pattern == r"Port \d\."


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"sha256": "0" * 64}, "another golden set"),
        ({"fluency_pattern": "("}, "meta.json"),
        ("{", "meta.json"),
        ([], "meta.json"),
        ({"fluency_pattern": 1}, "meta"),
    ],
)
def test_broken_metadata(write, meta, message):
    with pytest.raises(DataError, match=message):
        read_golden(write(ROW, meta=meta))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no question"),
        ([ROW, "{"], ":2: not a JSON object"),
        (["[]"], ":1: "),
        ([ROW, ROW], ":2: id '1' stands twice"),
        ([{**ROW, "question": ""}], ":1: question"),
        ([{**ROW, "messages": []}], ":1: messages"),
        ([{key: value for key, value in ROW.items() if key != "id"}], ":1: id"),
    ],
)
def test_broken_lines_are_named(write, lines, message):
    with pytest.raises(DataError, match=message):
        read_golden(write(*lines))


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such golden set"):
        read_golden(ArtifactRef(uri=(tmp_path / "none.jsonl").as_uri(), sha256="0" * 64))


def test_a_changed_file(write, tmp_path):
    ref = write(ROW)
    write({**ROW, "question": "Another?"})
    with pytest.raises(DataError, match="was changed"):
        read_golden(ref)


def test_normalising_keeps_only_words():
    assert normalise("  WHICH port…\n(８443)? ") == "which port 8443"
